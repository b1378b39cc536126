"""``astrokeras encoders``."""

import dataclasses
from typing import Any

from astrokeras.commands.base import Command, Console
from astrokeras.config import option


@dataclasses.dataclass(frozen=True)
class EncodersConfig:
    """Options of ``astrokeras encoders``."""

    name: str | None = option(
        None, "One encoder, of which the whole card is shown.", group="Input and output", argument=True
    )


def _run(config: EncodersConfig, _: Console) -> dict[str, Any]:
    from astrokeras.shipped_encoders.card import encoder_names, read_card  # noqa: PLC0415

    names = encoder_names() if config.name is None else (config.name,)
    return {name: dataclasses.asdict(read_card(name)) for name in names}


def _text(config: EncodersConfig, _: dict[str, Any]) -> str:
    from astrokeras.shipped_encoders.card import encoder_names, read_card  # noqa: PLC0415

    if config.name is not None:
        return read_card(config.name).text()
    cards = [read_card(name) for name in encoder_names()]
    width = max(len(card.name) for card in cards)
    return "\n".join(f"{card.name:<{width}}  {card.summary}" for card in cards)


ENCODERS = Command(
    "encoders",
    "List the encoders that come with the package.",
    EncodersConfig,
    _run,
    _text,
    json=True,
    order=160,
    example='astrokeras.encoders("sdss-gri-compact")["sdss-gri-compact"]["bands"]',
)
