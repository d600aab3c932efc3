# SPDX-License-Identifier: Apache-2.0
"""The header of a program image."""

from amaranth import unsigned
from amaranth.lib import data

__all__ = ["FORMAT_VERSION", "HEADER_WORDS", "MAGIC", "header_layout"]

MAGIC = 0x4C4B5053      # the text "SPKL" in bytes
FORMAT_VERSION = 1
HEADER_WORDS = 16       # of 32 bits each


def header_layout() -> data.StructLayout:
    """Return the header; addresses and lengths in memory words from the image's start.

    Members
    -------
    magic : unsigned(32)
        `MAGIC`.
    version : unsigned(32)
        `FORMAT_VERSION`.
    config_hash : unsigned(64)
        Of the configuration that the image was made for.
    program_words : unsigned(32)
        Words that the CRC covers, the last of them with it.
    memory_words : unsigned(32)
        Words of all regions.
    writable_start : unsigned(32)
        First word that may be written.
    descriptors : unsigned(32)
        How many, at least 1.
    descriptor_address : unsigned(32)
        The first one.
    profile_address : unsigned(32)
        Profile records of the first image.
    profile_image_pitch : unsigned(32)
        From the profile records of one image to those of the next.
    reserved : unsigned(160)
        Zero.
    """
    return data.StructLayout({
        "magic": unsigned(32), "version": unsigned(32), "config_hash": unsigned(64),
        "program_words": unsigned(32), "memory_words": unsigned(32),
        "writable_start": unsigned(32), "descriptors": unsigned(32),
        "descriptor_address": unsigned(32), "profile_address": unsigned(32),
        "profile_image_pitch": unsigned(32), "reserved": unsigned(160),
    })
