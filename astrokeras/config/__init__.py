"""One frozen dataclass a command: each option with its default, help and limits, written to the output as it was used.

The field names are the names of the options with ``-`` written ``_``; the command line and the functions of the package
are both made from them, so that an option stands in one place. Where there are many they are nested by subject
(`nested`), but an option is found by its name alone.
"""

from astrokeras.config.anomalies import AnomaliesConfig
from astrokeras.config.cluster import ClusterConfig
from astrokeras.config.convert import DEFAULT_SIZE, DEFAULT_SPLITS, ConvertConfig, ImageOptions, PhotometryOptions
from astrokeras.config.declare import MAX_CATALOG_BYTES, MAX_MODEL_BYTES, MAX_SEED, Option, declared, option
from astrokeras.config.embed import EmbedConfig
from astrokeras.config.export import ExportConfig
from astrokeras.config.fewshot import FewshotConfig
from astrokeras.config.finetune import DEFAULT_IMAGENET_BACKBONE, FinetuneConfig
from astrokeras.config.label import LabelConfig
from astrokeras.config.map import MapConfig
from astrokeras.config.nested import configure, option_fields, option_types, replaced, values_of
from astrokeras.config.predict import PredictConfig
from astrokeras.config.pretrain import PretrainConfig
from astrokeras.config.search import SearchConfig
from astrokeras.config.simulate import SimulateConfig
from astrokeras.config.suggest import SuggestConfig
from astrokeras.config.training import TrainingOptions
from astrokeras.config.values import as_command, as_dict, describe_changes, from_dict

__all__ = [
    "DEFAULT_IMAGENET_BACKBONE",
    "DEFAULT_SIZE",
    "DEFAULT_SPLITS",
    "MAX_CATALOG_BYTES",
    "MAX_MODEL_BYTES",
    "MAX_SEED",
    "AnomaliesConfig",
    "ClusterConfig",
    "ConvertConfig",
    "EmbedConfig",
    "ExportConfig",
    "FewshotConfig",
    "FinetuneConfig",
    "ImageOptions",
    "LabelConfig",
    "MapConfig",
    "Option",
    "PhotometryOptions",
    "PredictConfig",
    "PretrainConfig",
    "SearchConfig",
    "SimulateConfig",
    "SuggestConfig",
    "TrainingOptions",
    "as_command",
    "as_dict",
    "configure",
    "declared",
    "describe_changes",
    "from_dict",
    "option",
    "option_fields",
    "option_types",
    "replaced",
    "values_of",
]
