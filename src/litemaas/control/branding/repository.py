"""Where are the brand's images kept?"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.db.tables import brand_images


async def etags(connection: AsyncConnection) -> dict[str, str]:
    """Kind → ETag of the images that there are; reads none of them."""
    return {row.kind: row.etag for row in await connection.execute(select(brand_images.c.kind, brand_images.c.etag))}


async def find_image(connection: AsyncConnection, kind: str) -> Row[Any] | None:
    return (await connection.execute(select(brand_images).where(brand_images.c.kind == kind))).first()


async def put_image(
    connection: AsyncConnection, kind: str, media_type: str, content: bytes, etag: str, actor: str, now: datetime
) -> None:
    new = {"media_type": media_type, "content": content, "etag": etag, "updated_by": actor, "updated_at": now}
    statement = insert(brand_images).values(kind=kind, **new)
    await connection.execute(statement.on_conflict_do_update(index_elements=["kind"], set_=new))


async def drop_image(connection: AsyncConnection, kind: str) -> bool:
    gone = delete(brand_images).where(brand_images.c.kind == kind).returning(brand_images.c.kind)
    return (await connection.execute(gone)).first() is not None
