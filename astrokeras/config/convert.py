"""Options of ``astrokeras convert``, nested by subject as ``--help`` shows them.

Whoever types an option, or gives it in Python or in a file, uses its name alone; see `astrokeras.config.nested`.
"""

import dataclasses
import functools

from astrokeras.config.declare import MAX_CATALOG_BYTES, MAX_SEED, option

DEFAULT_SIZE = 64
DEFAULT_SPLITS = "train=0.8,val=0.1,test=0.1"

_images = functools.partial(option, group="Images")
_catalogue = functools.partial(option, group="Catalogue")
_photometry = functools.partial(option, group="Photometry")
_stamps = functools.partial(option, group="Stamps")
_splits = functools.partial(option, group="Splits")
_running = functools.partial(option, group="Output and running")


@dataclasses.dataclass(frozen=True)
class ImageOptions:
    """Which images there are, and how their pixels are read."""

    images: str = _images(
        help="Image files, as in 'tiles/{field}_{band}.fits' or 'stamps/{id}.jpg'; with --survey a directory."
    )
    bands: tuple[str, ...] = _images(help="Filters, blue to red; the order of the planes where one file holds all.")
    survey: str | None = _images(
        None, "Name or FILE.toml of the images' survey (docs/surveys.md): defaults of other options."
    )
    ext: str | None = _images(
        None, "Extension with the pixels: SCI, 2, or r=SCI_R,… for each band.  [default: the first]"
    )
    weight: str | None = _images(
        None, "Weight or inverse variance images, named as --images; not positive or NaN is a bad pixel."
    )
    weight_ext: str | None = _images(None, "Extension with the weights, as --ext.")
    mask: str | None = _images(None, "Mask images, named as --images; what is not zero is a bad pixel.")
    mask_ext: str | None = _images(None, "Extension with the mask, as --ext.")
    mask_bits: str | None = _images(None, "Values of the mask's bits that mean bad, as in 1,4,8.  [default: all]")
    valid: bool = _images(False, "Carry a mask of good pixels in every record.")
    resample: bool = _images(False, "Resample bands that lie on another pixel grid than the first (needs reproject).")
    hcompress: bool = _images(False, "Read HCOMPRESS too; its decoder is unsafe on damaged files.")
    max_image_bytes: int = _images(4 << 30, "Refuse images that claim more bytes of pixels.", minimum=1)
    pixel_scale: float | None = _images(
        None, "Side of a pixel in arcsec; a WCS that says otherwise by 5 % is warned of."
    )


@dataclasses.dataclass(frozen=True)
class CatalogueOptions:
    """Where the objects are, and what is known of them."""

    catalog: str | None = _catalogue(None, "FITS, ECSV, VOTable, CSV, text or Parquet table of the objects.")
    max_catalog_bytes: int = _catalogue(MAX_CATALOG_BYTES, "Refuse tables that unpack to more bytes.", minimum=1)
    detect: str | None = _catalogue(None, "Find the objects on these bands instead, as in r+i, and measure them (SEP).")
    detect_threshold: float = _catalogue(1.5, "With --detect: sigma above the sky.")
    detect_min_area: int = _catalogue(5, "With --detect: adjoining pixels above the threshold.", minimum=1)
    id_column: str | None = _catalogue(
        None, "Column with the ids, or several, as in RUN,OBJ.  [default: found by usual names, as the others]"
    )
    ra_column: str | None = _catalogue(None, "Column with the right ascension, ICRS.")
    dec_column: str | None = _catalogue(None, "Column with the declination, ICRS.")
    x_column: str | None = _catalogue(None, "Column with the pixel column; used where there is no WCS.")
    y_column: str | None = _catalogue(None, "Column with the pixel row.")
    origin: int | None = _catalogue(
        None, "What x and y call the first pixel, 0 or 1.  [default: 1 for *_IMAGE columns, else 0]", choices=(0, 1)
    )
    field_column: str | None = _catalogue(
        None, "Column with the field; without one, or where it is '', the footprints decide."
    )
    object_column: str | None = _catalogue(
        None, "Column that says which rows show the same object, at other times: for task epochs."
    )
    label: str | None = _catalogue(None, "Column with the class (text or integers); negative or empty is unlabelled.")
    label_names: tuple[str, ...] = _catalogue(
        (), "Names of the classes, as in 0=star,1=galaxy.  [default: their values]"
    )
    columns: tuple[str, ...] = _catalogue(
        (), "Columns of numbers to carry along, as in z,ebv or PSFMAG[2] (counted from 0)."
    )
    where: str | None = _catalogue(
        None, "Rows to keep, as in 'r < 21 & FLAGS == 0'; missing values fulfil no comparison."
    )


@dataclasses.dataclass(frozen=True)
class PhotometryOptions:
    """The magnitudes of the objects, and the unit of the pixels."""

    magnitudes: str | None = _photometry(
        None, "Magnitude columns, as in 'MAG_AUTO_{band}'.  [default: found by their usual names]"
    )
    magnitude_errors: str | None = _photometry(None, "Magnitude error columns, as in 'MAGERR_AUTO_{band}'.")
    measure: bool = _photometry(
        False, "Measure magnitudes and shapes on the stamps instead of taking them from the catalogue."
    )
    fluxes: str | None = _photometry(None, "Flux columns, where there are no magnitudes, as in 'FLUX_{band}'.")
    flux_errors: str | None = _photometry(None, "Flux error columns.")
    flux_ivars: str | None = _photometry(None, "Columns with the inverse variances of the fluxes, instead of errors.")
    flux_zero_point: float | None = _photometry(
        None, "Magnitude of a catalogue flux of 1: 22.5 for nanomaggies, 23.9 for µJy.", minimum=None
    )
    catalog_bands: tuple[str, ...] = _photometry(
        (), "Names of the bands in the catalogue's columns, in the order of --bands.  [default: --bands]"
    )
    zero_point: str | None = _photometry(
        None, "25, u=0,g=0,…, header:MAGZPT or a table with a row a field; brings every band to nJy.", numbers=True
    )
    levels: str | None = _photometry(
        None,
        "lupton: make stamps the levels 0 to 255 that SDSS's colour pictures have, of sky-subtracted g, r and i.",
        choices=("lupton",),
    )


@dataclasses.dataclass(frozen=True)
class StampOptions:
    """How stamps are cut."""

    size: int | None = _stamps(
        None, "Side of a stamp in pixels.  [default: 64, or that of the files if each shows one object]", minimum=1
    )
    edge: str = _stamps(
        "reject", "What becomes of a stamp that reaches over the edge of its image.", choices=("reject", "pad")
    )
    max_bad_fraction: float = _stamps(0.1, "Reject stamps with a larger share of NaN pixels in any band.")


@dataclasses.dataclass(frozen=True)
class SplitOptions:
    """What is trained on, and what is tested on."""

    splits: str | None = _splits(
        None, "Shares of the splits, scaled to add up to 1.  [default: train=0.8,val=0.1,test=0.1]"
    )
    split_by: str | None = _splits(
        None,
        "id, field, sky (areas of sky that share no pixel) or a column.  [default: sky for objects cut from tiles, id "
        "for one file an object]",
    )
    split_column: str | None = _splits(None, "Column that says of each object whether it is in train, val or test.")
    cell_size: float | None = _splits(
        None, "With --split-by sky: side of an area, in arcmin (pixels without WCS).  [default: 50 areas]"
    )
    splits_from: str | None = _splits(None, "Records directory whose splits go on: what was in one stays there.")


@dataclasses.dataclass(frozen=True)
class RunningOptions:
    """Where the records go, and how the work is done."""

    out: str = _running(help="Records directory to make.")
    name: str = _running("survey", "Name of the data set, the first part of the shards' names.")
    max_reject_fraction: float = _running(1.0, "Fail at the end if a larger share of the rows is rejected.")
    workers: int | None = _running(None, "Processes.  [default: one a core]", minimum=1)
    scheduler: str | None = _running(
        None, "Work on the Dask cluster of this scheduler, as in tcp://host:8786, instead of in processes here."
    )
    resume: bool = _running(False, "If OUT is complete already with the same options, that is fine.")
    overwrite: bool = _running(
        False, "Replace an existing records directory, and drop unfinished work with other options."
    )
    seed: int = _running(0, "Seed of everything random.", minimum=0, maximum=MAX_SEED)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConvertConfig:
    """Options of ``astrokeras convert``.

    Example:
        >>> from astrokeras.config import configure
        >>> config = configure(ConvertConfig, images="{field}_{band}.fits", bands=("g", "r"), out="records", size=32)
        >>> config.stamps.size, config.images.bands
        (32, ('g', 'r'))
    """

    images: ImageOptions
    catalogue: CatalogueOptions = CatalogueOptions()
    photometry: PhotometryOptions = PhotometryOptions()
    stamps: StampOptions = StampOptions()
    splits: SplitOptions = SplitOptions()
    running: RunningOptions
