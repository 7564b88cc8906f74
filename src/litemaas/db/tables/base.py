"""Which metadata do all tables belong to, and which column kinds do they share?"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, DateTime, MetaData, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import TypeEngine

metadata = MetaData()
Moment: TypeEngine[Any] = DateTime(timezone=True)


def json_object(name: str) -> Column[Any]:
    return Column(name, JSONB, nullable=False, server_default=text("'{}'::jsonb"))


def text_array(name: str) -> Column[Any]:
    return Column(name, ARRAY(Text), nullable=False, server_default=text("'{}'::text[]"))


def moment(name: str) -> Column[Any]:
    return Column(name, Moment, nullable=False, server_default=text("now()"))
