"""The JSON files beside the shards: `convert.json` for astrokeras, the other two for TensorFlow Datasets."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from astrokeras.files import digest, digest_of, encode_json, write_atomically, write_json

RECORDS_FORMAT = 2
CONVERT_JSON = "convert.json"
REJECTS = "rejects.ecsv"


def signed(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content of ``convert.json`` with the SHA-256 of all the rest of it."""
    rest = {key: value for key, value in content.items() if key != "sha256"}
    return {**rest, "sha256": digest_of(encode_json(rest))}


def is_shard(path: Path) -> bool:
    """Return whether a file of a records directory is a shard, by its name."""
    return ".tfrecord-" in path.name


def describe_small_file(path: Path) -> dict[str, Any]:
    """Return name, size and SHA-256 of a file that stands beside the shards."""
    return {"file": path.name, "bytes": path.stat().st_size, "sha256": digest(path)}


def fingerprint_of_shards(shard_checksums: Iterable[str]) -> str:
    """Return one checksum for a whole records directory, from those of its shards in their order."""
    return digest_of("\n".join(shard_checksums).encode())


def write_tfds_files(
    directory: Path,
    name: str,
    size: int,
    n_bands: int,
    classes: Sequence[str],
    columns: Mapping[str, str],
    splits: dict,
    valid: bool = False,
) -> None:
    """Write what `tfds.builder_from_directory` needs to read the shards.

    Source: the files that tensorflow-datasets 4.9.10 itself writes for such features.
    """
    features = {
        "id": {"pythonClassName": "tensorflow_datasets.core.features.text_feature.Text", "text": {}},
        "image": _tensor("float32", "bytes", (size, size, n_bands)),
        "magnitudes": _tensor("float32", "none", (n_bands,)),
        "magnitude_errors": _tensor("float32", "none", (n_bands,)),
        "label": {
            "pythonClassName": "tensorflow_datasets.core.features.class_label_feature.ClassLabel",
            "classLabel": {"numClasses": str(len(classes))},
        }
        if classes
        else _tensor("int64", "none", ()),
        **{name: _tensor(dtype, "none" if dtype == "int64" else "bytes", ()) for name, dtype in columns.items()},
        **({"valid": _tensor("uint8", "bytes", (size, size, n_bands))} if valid else {}),
    }
    write_json(
        directory / "features.json",
        {
            "pythonClassName": "tensorflow_datasets.core.features.features_dict.FeaturesDict",
            "featuresDict": {"features": features},
        },
    )
    if classes:
        lines = "".join(f"{name}\n" for name in classes)
        write_atomically(directory / "label.labels.txt", lambda path: path.write_text(lines, encoding="utf-8"))
    write_json(
        directory / "dataset_info.json",
        {
            "description": "Stamps of survey objects, converted by astrokeras.",
            "moduleName": "astrokeras",
            "name": name,
            "version": f"{RECORDS_FORMAT}.0.0",
            "fileFormat": "tfrecord",
            "splits": [
                {
                    "name": split,
                    "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
                    "numBytes": str(sum(shard["bytes"] for shard in content["shards"])),
                    "shardLengths": [str(shard["records"]) for shard in content["shards"]],
                }
                for split, content in splits.items()
                if content["shards"]
            ],
        },
    )


def _tensor(dtype: str, encoding: str, shape: tuple[int, ...]) -> dict:
    dimensions = {"dimensions": [str(n) for n in shape]} if shape else {}
    return {
        "pythonClassName": "tensorflow_datasets.core.features.tensor_feature.Tensor",
        "tensor": {"dtype": dtype, "encoding": encoding, "shape": dimensions},
    }
