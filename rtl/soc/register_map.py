# SPDX-License-Identifier: Apache-2.0
"""The control and status registers, written once: hardware, C, Python and pages are made of it."""

from dataclasses import dataclass
from enum import IntEnum
from importlib.metadata import version

from ..config import AcceleratorConfig
from .config_fields import FIELD_MEANINGS, NAMED_VALUES

__all__ = ["ACCESSES", "COUNTER_MEANINGS", "ERROR_MEANINGS", "IDENTITY", "REGISTER_ADDRESS_BITS",
           "REGISTER_BITS", "ErrorCode", "Field", "Register", "RegisterMap", "register_map"]

ACCESSES = ("ro", "rw", "wo", "w1c")  # wo: a pulse for each bit written as 1; reads as zero
IDENTITY = 0x53504B4C                 # "SPKL"
REGISTER_BITS = 32
REGISTER_ADDRESS_BITS = 12            # of a byte address: the registers take 4 KiB
_COUNTERS_OFFSET = 0x080
_CONFIGURATION_OFFSET = 0x100


class ErrorCode(IntEnum):
    """Why a run failed."""

    NONE = 0
    BAD_MAGIC = 1
    BAD_VERSION = 2
    WRONG_CONFIGURATION = 3
    BAD_LENGTH = 4
    BAD_CRC = 5
    BAD_DESCRIPTOR = 6
    UNSUPPORTED = 7
    ROW_OVERFLOW = 8
    COLUMN_OVERFLOW = 9
    LENGTH_MISMATCH = 10
    TILE_ROWS = 11
    ROW_INDEX = 12
    WEIGHT_BUFFER_OVERFLOW = 13
    READ_RANGE = 14
    WRITE_RANGE = 15
    READ_RESPONSE = 16
    WRITE_RESPONSE = 17
    TIMEOUT = 18
    NO_IMAGES = 19
    BUSY = 20
    PLACE_OVERFLOW = 21


ERROR_MEANINGS = {
    ErrorCode.NONE: "No error.",
    ErrorCode.BAD_MAGIC: "There is no program image at the base address.",
    ErrorCode.BAD_VERSION: "The program image has another format version.",
    ErrorCode.WRONG_CONFIGURATION: "The program image was compiled for another configuration.",
    ErrorCode.BAD_LENGTH: "The regions of the program image contradict each other or the memory.",
    ErrorCode.BAD_CRC: "The program part of the image is damaged.",
    ErrorCode.BAD_DESCRIPTOR: "A descriptor contradicts itself or the data.",
    ErrorCode.UNSUPPORTED: "A descriptor asks for what this configuration does not have.",
    ErrorCode.ROW_OVERFLOW: "A spike fiber or one of its chunks is too long.",
    ErrorCode.COLUMN_OVERFLOW: "A chunk of a weight fiber has too many beats.",
    ErrorCode.LENGTH_MISMATCH: "A fiber has not as many chunks as the one it meets.",
    ErrorCode.TILE_ROWS: "The rows of a tile are not in 1..tppes * rows_per_pe.",
    ErrorCode.ROW_INDEX: "A spike fiber is for a row that the tile does not have.",
    ErrorCode.WEIGHT_BUFFER_OVERFLOW: "A weight block does not fit its buffer.",
    ErrorCode.READ_RANGE: "A read outside of the program image.",
    ErrorCode.WRITE_RANGE: "A write outside of the writable part of the program image.",
    ErrorCode.READ_RESPONSE: "The memory answered a read with an error.",
    ErrorCode.WRITE_RESPONSE: "The memory answered a write with an error.",
    ErrorCode.TIMEOUT: "No word was moved for a long time.",
    ErrorCode.NO_IMAGES: "Started with images = 0.",
    ErrorCode.BUSY: "Started while running; the run goes on.",
    ErrorCode.PLACE_OVERFLOW: "A weight lies beyond the end of the rows.",
}

COUNTER_MEANINGS = {
    "cycles": "Cycles in which a descriptor was at work",
    "match": "Matches found by all elements; bcast: additions",
    "empty": "Element cycles that took weights and had nothing to add",
    "stall_join": "Element cycles that waited for the inner join, or for other elements",
    "stall_output": "Element cycles that waited for the output path",
    "stall_row": "Element cycles that waited for spike fibers",
    "stall_column": "Element cycles that waited for weights",
    "idle": "Element cycles without a row or with all columns done",
    "weight_words": "Words read of weights, or of residuals that are pooled",
    "spike_words": "Words read of spike maps",
    "other_words": "Words read of all else",
    "words_written": "Words written",
    "array_busy": "Cycles in which the array was busy",
    "loading": "Cycles in which spike rows were loaded",
    "writing": "Cycles in which results were written",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """Bits of a register that belong together."""

    name: str
    lsb: int = 0
    width: int = 1
    reset: int = 0             # value after a reset
    meaning: str
    constant: bool = False     # always has its reset value
    values: tuple[str, ...] = ()  # names of the values 0, 1, ..., if they have names

    @property
    def mask(self) -> int:
        """The field's bits in its register."""
        return ((1 << self.width) - 1) << self.lsb


@dataclass(frozen=True, kw_only=True, slots=True)
class Register:
    """One register of 32 bits; bits without a field read as zero and ignore writes."""

    name: str
    offset: int                # byte address from the base of the registers
    access: str                # one of ACCESSES
    fields: tuple[Field, ...]
    meaning: str

    @property
    def bits(self) -> int:
        """Bits from the lowest one to the highest one of a field."""
        return max(field.mask for field in self.fields).bit_length()

    @property
    def reset(self) -> int:
        """Value after a reset."""
        return sum(field.reset << field.lsb for field in self.fields)


@dataclass(frozen=True, kw_only=True, slots=True)
class RegisterMap:
    """All registers of a configured accelerator, in the order of their offsets."""

    config: AcceleratorConfig
    registers: tuple[Register, ...]

    def __getitem__(self, name: str) -> Register:
        """Return the register ``name``."""
        return {register.name: register for register in self.registers}[name]


def register_map(config: AcceleratorConfig) -> RegisterMap:
    """Return the registers of an accelerator.

    Offsets are the same in all configurations; ``base`` is there with memory "axi" only,
    ``memory_address`` and ``memory_data`` with memory "on_chip" only, those of crossbars and of
    attention with these only. With ``limits`` there may be no counters.
    """
    memory = _base() if config.memory == "axi" else _memory_window(config)
    registers = (*_identification(config), *_control(), *_work(config), *memory,
                 *(_counters() if config.bounds.counters else []),
                 *(_crossbars() if config.crossbar else []), *_configuration(config))
    return RegisterMap(config=config, registers=tuple(
        sorted(registers, key=lambda register: register.offset)))


def _single(name: str, offset: int, access: str, meaning: str, *, width: int = REGISTER_BITS,
            reset: int = 0, constant: bool = False, values: tuple[str, ...] = ()) -> Register:
    """Return a register of one field, ``value``."""
    field = Field(name="value", width=width, reset=reset, meaning=meaning, constant=constant,
                  values=values)
    return Register(name=name, offset=offset, access=access, fields=(field,), meaning=meaning)


def _bits(*named: tuple[str, str]) -> tuple[Field, ...]:
    """Return fields of one bit each, from bit 0 upwards."""
    return tuple(Field(name=name, lsb=lsb, meaning=meaning)
                 for lsb, (name, meaning) in enumerate(named))


def _identification(config: AcceleratorConfig) -> list[Register]:
    number = int(config.hash(), 16)
    parts = [int(part) for part in version("spikeloom").split(".")[:3]]
    fields = tuple(
        Field(name=name, lsb=lsb, width=8, reset=part, constant=True, meaning=f"{text} version.")
        for name, lsb, part, text in zip(("major", "minor", "patch"), (16, 8, 0), parts,
                                         ("Major", "Minor", "Patch"), strict=True))
    return [
        _single("identity", 0x000, "ro", "Marks a Spikeloom accelerator: SPKL in ASCII.",
                reset=IDENTITY, constant=True),
        Register(name="version", offset=0x004, access="ro", fields=fields,
                 meaning="Version of the generator."),
        _single("hash_low", 0x008, "ro", "Hash of the configuration, low half.",
                reset=number & 0xFFFFFFFF, constant=True),
        _single("hash_high", 0x00C, "ro", "Hash of the configuration, high half.",
                reset=number >> 32, constant=True),
    ]


def _control() -> list[Register]:
    events = ("done", "All images have been run"), ("error", "An error ended the run"), (
        "stopped", "The run was stopped, as asked")
    error = (
        Field(name="code", width=8, meaning="What went wrong.",
              values=tuple(code.name.lower() for code in ErrorCode)),
        Field(name="descriptor", lsb=16, width=16, meaning="The descriptor at work then."),
    )
    commands = {
        "start": "Run the program image; while one runs this is an error, between an error and "
                 "a reset it does nothing.",
        "stop": "Stop before the next descriptor.",
        "reset": "Reset the engines, forget events and errors; start and stop beside it do "
                 "nothing.",
        "clear_counters": "Set all counters to zero.",
    }
    return [
        Register(name="control", offset=0x010, access="wo", fields=_bits(*commands.items()),
                 meaning="Commands."),
        Register(
            name="status", offset=0x014, access="ro", meaning="Where the run is.",
            fields=_bits(
                ("running", "A program runs, or a reset is at work."),
                ("done", "All images have been run since the last start."),
                ("stopped", "Stopped, as asked, since the last start."),
                ("error", "An error occurred since the last start; a reset clears it."),
                ("memory_idle", "The memory has nothing under way."))),
        Register(name="error", offset=0x018, access="ro", fields=error,
                 meaning="The first error since the last reset; zero if there was none."),
        _single("error_image", 0x01C, "ro", "Images that were complete at the error."),
        Register(
            name="interrupt_enable", offset=0x020, access="rw", meaning="Events that interrupt.",
            fields=_bits(*((name, f"{text}: interrupt.") for name, text in events))),
        Register(
            name="interrupt_status", offset=0x024, access="w1c",
            meaning="Events since they were cleared; irq is high while one of them is "
                    "enabled.",
            fields=_bits(*((name, f"{text}.") for name, text in events))),
    ]


def _base() -> list[Register]:
    return [_single("base", 0x028, "rw", "Byte address of the program image.")]


def _work(config: AcceleratorConfig) -> list[Register]:
    bits = config.bounds.address_bits  # each image takes a word at least
    return [
        _single("images", 0x02C, "rw", "Images to run.", width=bits),
        _single("images_done", 0x030, "ro", "Images that are complete.", width=bits),
        _single("descriptor", 0x034, "ro", "The descriptor at work.", width=16),
    ]


def _crossbars() -> list[Register]:
    return [_single("cell_failures", 0x038, "ro",
                    "Cells that missed their target, in all programming since the last reset.")]


def _memory_window(config: AcceleratorConfig) -> list[Register]:
    bits = min(REGISTER_BITS, config.bounds.address_bits + (config.memory_bits // 64))
    return [
        _single("memory_address", 0x040, "rw", width=bits, meaning=
                "Index of the 32-bit word that memory_data accesses; each access adds one."),
        _single("memory_data", 0x044, "rw",
                "A 32-bit word of the memory, written whole. Access while running or beyond the "
                "end of the memory is answered with an error."),
    ]


def _counters() -> list[Register]:
    found = []
    for index, (name, text) in enumerate(COUNTER_MEANINGS.items()):
        offset = _COUNTERS_OFFSET + 8 * index
        found += [
            _single(f"{name}_low", offset, "ro", f"{text}, low half."),
            _single(f"{name}_high", offset + 4, "ro",
                    f"{text}, high half as of the last read of a low half."),
        ]
    return found


def _configuration(config: AcceleratorConfig) -> list[Register]:
    found, fields = [], config.flat() | {
        name: int(getattr(config, name) is not None) for name in config.parts}
    for index, name in enumerate(FIELD_MEANINGS):
        if name not in fields:
            continue
        value, values = fields[name], NAMED_VALUES.get(name, ())
        found.append(_single(
            f"config_{name.replace('.', '_')}", _CONFIGURATION_OFFSET + 4 * index, "ro",
            f"{FIELD_MEANINGS[name].removesuffix('.')}.", constant=True, values=values,
            reset=values.index(str(value)) if values else int(value)))
    return found
