"""Every strength of the set `camera`, mildest first, with its unit and where it comes from."""

from __future__ import annotations
