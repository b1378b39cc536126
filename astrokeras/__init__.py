"""Turn an unlabelled photometric survey into a feature extractor: a command is a function here.

`docs/api.md` has an example of each. What is used is imported when it is first asked for, so that ``import astrokeras``
takes no time.
"""

from typing import Any

from astrokeras import keras_settings

__version__ = "0.1.0"

_NAMES = {
    "AstrokerasError": "astrokeras.errors",
    "Records": "astrokeras.api.records",
    "Run": "astrokeras.api.run",
    "UsageError": "astrokeras.errors",
    "build_encoder": "astrokeras.api.encoder_calls",
    "load_encoder": "astrokeras.api.encoder_calls",
    "open_records": "astrokeras.api.records",
    "open_run": "astrokeras.api.run",
}


def __getattr__(name: str) -> Any:
    import importlib  # noqa: PLC0415

    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    if name == "__all__" or not name.startswith("_"):  # a private name is none of a command, which need not be imported
        calls = importlib.import_module("astrokeras.api.calls")
        if name == "__all__":
            return [*calls.function_names(), *_NAMES]
        if name in calls.function_names():
            return calls.function(name)
    raise AttributeError(f"module 'astrokeras' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__getattr__("__all__")])


keras_settings.apply()
