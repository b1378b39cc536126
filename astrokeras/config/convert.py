"""Options of ``astrokeras convert``."""

import dataclasses

from astrokeras.config.declare import MAX_CATALOG_BYTES, MAX_SEED, option

DEFAULT_SIZE = 64
DEFAULT_SPLITS = "train=0.8,val=0.1,test=0.1"


@dataclasses.dataclass(frozen=True)
class ConvertConfig:
    """Options of ``astrokeras convert``."""

    images: str = option(
        help="Image files, as in 'tiles/{field}_{band}.fits' or 'stamps/{id}.jpg'; with --survey a directory.",
        group="Images",
    )
    bands: tuple[str, ...] = option(
        help="Filters, blue to red; the order of the planes where one file holds all.", group="Images"
    )
    out: str = option(help="Records directory to make.", group="Output and running")
    survey: str | None = option(
        None, "Name or FILE.toml of the images' survey (docs/surveys.md): defaults of other options.", group="Images"
    )
    name: str = option(
        "survey", "Name of the data set, the first part of the shards' names.", group="Output and running"
    )
    catalog: str | None = option(
        None, "FITS, ECSV, VOTable, CSV, text or Parquet table of the objects.", group="Catalogue"
    )
    max_catalog_bytes: int = option(
        MAX_CATALOG_BYTES, "Refuse tables that unpack to more bytes.", group="Catalogue", minimum=1
    )
    detect: str | None = option(
        None, "Find the objects on these bands instead, as in r+i, and measure them (SEP).", group="Catalogue"
    )
    detect_threshold: float = option(1.5, "With --detect: sigma above the sky.", group="Catalogue")
    detect_min_area: int = option(
        5, "With --detect: adjoining pixels above the threshold.", group="Catalogue", minimum=1
    )
    ext: str | None = option(
        None, "Extension with the pixels: SCI, 2, or r=SCI_R,… for each band.  [default: the first]", group="Images"
    )
    weight: str | None = option(
        None,
        "Weight or inverse variance images, named as --images; not positive or NaN is a bad pixel.",
        group="Images",
    )
    weight_ext: str | None = option(None, "Extension with the weights, as --ext.", group="Images")
    mask: str | None = option(None, "Mask images, named as --images; what is not zero is a bad pixel.", group="Images")
    mask_ext: str | None = option(None, "Extension with the mask, as --ext.", group="Images")
    mask_bits: str | None = option(
        None, "Values of the mask's bits that mean bad, as in 1,4,8.  [default: all]", group="Images"
    )
    valid: bool = option(False, "Carry a mask of good pixels in every record.", group="Images")
    resample: bool = option(
        False, "Resample bands that lie on another pixel grid than the first (needs reproject).", group="Images"
    )
    hcompress: bool = option(False, "Read HCOMPRESS too; its decoder is unsafe on damaged files.", group="Images")
    max_image_bytes: int = option(4 << 30, "Refuse images that claim more bytes of pixels.", group="Images", minimum=1)
    id_column: str | None = option(
        None,
        "Column with the ids, or several, as in RUN,OBJ.  [default: found by usual names, as the others]",
        group="Catalogue",
    )
    ra_column: str | None = option(None, "Column with the right ascension, ICRS.", group="Catalogue")
    dec_column: str | None = option(None, "Column with the declination, ICRS.", group="Catalogue")
    x_column: str | None = option(None, "Column with the pixel column; used where there is no WCS.", group="Catalogue")
    y_column: str | None = option(None, "Column with the pixel row.", group="Catalogue")
    origin: int | None = option(
        None,
        "What x and y call the first pixel, 0 or 1.  [default: 1 for *_IMAGE columns, else 0]",
        group="Catalogue",
        choices=(0, 1),
    )
    field_column: str | None = option(
        None, "Column with the field; without one, or where it is '', the footprints decide.", group="Catalogue"
    )
    object_column: str | None = option(
        None, "Column that says which rows show the same object, at other times: for task epochs.", group="Catalogue"
    )
    magnitudes: str | None = option(
        None, "Magnitude columns, as in 'MAG_AUTO_{band}'.  [default: found by their usual names]", group="Photometry"
    )
    magnitude_errors: str | None = option(
        None, "Magnitude error columns, as in 'MAGERR_AUTO_{band}'.", group="Photometry"
    )
    measure: bool = option(
        False,
        "Measure magnitudes and shapes on the stamps instead of taking them from the catalogue.",
        group="Photometry",
    )
    fluxes: str | None = option(
        None, "Flux columns, where there are no magnitudes, as in 'FLUX_{band}'.", group="Photometry"
    )
    flux_errors: str | None = option(None, "Flux error columns.", group="Photometry")
    flux_ivars: str | None = option(
        None, "Columns with the inverse variances of the fluxes, instead of errors.", group="Photometry"
    )
    flux_zero_point: float | None = option(
        None,
        "Magnitude of a catalogue flux of 1: 22.5 for nanomaggies, 23.9 for µJy.",
        group="Photometry",
        minimum=None,
    )
    catalog_bands: tuple[str, ...] = option(
        (),
        "Names of the bands in the catalogue's columns, in the order of --bands.  [default: --bands]",
        group="Photometry",
    )
    zero_point: str | None = option(
        None,
        "25, u=0,g=0,…, header:MAGZPT or a table with a row a field; brings every band to nJy.",
        group="Photometry",
        numbers=True,
    )
    pixel_scale: float | None = option(
        None, "Side of a pixel in arcsec; a WCS that says otherwise by 5 % is warned of.", group="Images"
    )
    label: str | None = option(
        None, "Column with the class (text or integers); negative or empty is unlabelled.", group="Catalogue"
    )
    label_names: tuple[str, ...] = option(
        (), "Names of the classes, as in 0=star,1=galaxy.  [default: their values]", group="Catalogue"
    )
    columns: tuple[str, ...] = option(
        (), "Columns of numbers to carry along, as in z,ebv or PSFMAG[2] (counted from 0).", group="Catalogue"
    )
    where: str | None = option(
        None, "Rows to keep, as in 'r < 21 & FLAGS == 0'; missing values fulfil no comparison.", group="Catalogue"
    )
    size: int | None = option(
        None,
        "Side of a stamp in pixels.  [default: 64, or that of the files if each shows one object]",
        group="Stamps",
        minimum=1,
    )
    splits: str | None = option(
        None, "Shares of the splits, scaled to add up to 1.  [default: train=0.8,val=0.1,test=0.1]", group="Splits"
    )
    split_by: str | None = option(
        None,
        "id, field, sky (areas of sky that share no pixel) or a column.  [default: sky for objects cut from tiles, id "
        "for one file an object]",
        group="Splits",
    )
    split_column: str | None = option(
        None, "Column that says of each object whether it is in train, val or test.", group="Splits"
    )
    cell_size: float | None = option(
        None,
        "With --split-by sky: side of an area, in arcmin (pixels without WCS).  [default: 50 areas]",
        group="Splits",
    )
    splits_from: str | None = option(
        None, "Records directory whose splits go on: what was in one stays there.", group="Splits"
    )
    edge: str = option(
        "reject",
        "What becomes of a stamp that reaches over the edge of its image.",
        group="Stamps",
        choices=("reject", "pad"),
    )
    max_bad_fraction: float = option(
        0.1, "Reject stamps with a larger share of NaN pixels in any band.", group="Stamps"
    )
    max_reject_fraction: float = option(
        1.0, "Fail at the end if a larger share of the rows is rejected.", group="Output and running"
    )
    workers: int | None = option(None, "Processes.  [default: one a core]", group="Output and running", minimum=1)
    scheduler: str | None = option(
        None,
        "Work on the Dask cluster of this scheduler, as in tcp://host:8786, instead of in processes here.",
        group="Output and running",
    )
    resume: bool = option(
        False, "If OUT is complete already with the same options, that is fine.", group="Output and running"
    )
    overwrite: bool = option(
        False,
        "Replace an existing records directory, and drop unfinished work with other options.",
        group="Output and running",
    )
    seed: int = option(0, "Seed of everything random.", group="Output and running", minimum=0, maximum=MAX_SEED)
