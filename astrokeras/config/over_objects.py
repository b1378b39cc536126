"""Options of the commands that apply a network to objects, in records or on images."""

import dataclasses

from astrokeras.config.declare import MAX_CATALOG_BYTES, MAX_MODEL_BYTES, MAX_SEED, option


@dataclasses.dataclass(frozen=True)
class OverObjectsConfig:
    """Options of ``embed`` and ``predict`` alike."""

    split: str = option("all", "With records: train, val, test or all.", group="Input and output")
    catalog: str | None = option(
        None, "With an image template: the catalogue of the objects on those images.", group="Images"
    )
    like: str | None = option(
        None,
        "With an image template: records whose stamps to cut alike.  [default: those of the run]",
        group="Images",
        metavar="RECORDS",
    )
    batch_size: int = option(256, "Stamps a step.", group="Running", minimum=1)
    zero_point: str | None = option(
        None, "Of new images, as for convert.  [default: as for the run's records]", group="Images", numbers=True
    )
    weight: str | None = option(
        None, "Weight or inverse variance images of new images, as for convert.", group="Images"
    )
    weight_ext: str | None = option(None, "Extension with the weights.", group="Images")
    mask: str | None = option(None, "Mask images of new images, as for convert.", group="Images")
    mask_ext: str | None = option(None, "Extension with the mask.", group="Images")
    mask_bits: str | None = option(
        None, "Values of the mask's bits that mean bad, as in 1,4,8.  [default: all]", group="Images"
    )
    hcompress: bool = option(False, "Read HCOMPRESS too; its decoder is unsafe on damaged files.", group="Images")
    edge: str | None = option(
        None,
        "Stamps that reach over the edge of a new image.  [default: as for the run's records]",
        group="Images",
        choices=("reject", "pad"),
    )
    max_image_bytes: int | None = option(
        None, "Refuse images that claim more bytes of pixels.  [default: 4 GiB]", group="Images", minimum=1
    )
    max_catalog_bytes: int = option(
        MAX_CATALOG_BYTES, "Refuse tables that unpack to more bytes.", group="Images", minimum=1
    )
    devices: str = option(
        "auto", "auto (all GPUs, otherwise the CPU), cpu:N or gpu:N, each of one process.", group="Running"
    )
    workers: int | None = option(
        None,
        "Processes, each of which reads stamps and runs the network.  [default: this one]",
        group="Running",
        minimum=1,
    )
    scheduler: str | None = option(
        None,
        "Work on the Dask cluster of this scheduler, as in tcp://host:8786, instead of in processes here.",
        group="Running",
    )
    resume: bool = option(
        False, "If OUT (Parquet) is complete already with the same options, that is fine.", group="Input and output"
    )
    overwrite: bool = option(
        False, "Replace an existing table, and drop unfinished work with other options.", group="Input and output"
    )
    max_model_bytes: int = option(
        MAX_MODEL_BYTES, "Refuse models and files of weights that claim more bytes.", group="Running", minimum=1
    )
    seed: int = option(0, "Seed of everything random.", group="Running", minimum=0, maximum=MAX_SEED)
