"""Does an example satisfy its schema?"""

from litemaas.sim.schema_example import example_of


def test_object_has_every_property_with_a_value_of_its_type() -> None:
    schema = {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer", "minimum": 3, "maximum": 9},
            "unit": {"enum": ["celsius", "fahrenheit"]},
            "tags": {"type": "array", "items": {"type": "boolean"}, "minItems": 2},
            "when": {"type": "string", "format": "date"},
            "note": {"type": ["string", "null"], "maxLength": 3},
        },
    }
    assert example_of(schema, "Berlin") == {
        "city": "Berlin", "days": 3, "unit": "celsius", "tags": [True, True], "when": "2026-01-31", "note": "Ber",
    }  # fmt: skip


def test_references_and_choices_are_followed() -> None:
    schema = {
        "$defs": {"step": {"type": "object", "properties": {"text": {"type": "string"}}}},
        "type": "object",
        "properties": {"first": {"$ref": "#/$defs/step"}, "second": {"anyOf": [{"const": 4}, {"type": "null"}]}},
    }
    assert example_of(schema, "x") == {"first": {"text": "x"}, "second": 4}


def test_schema_that_refers_to_itself_ends() -> None:
    schema = {"type": "object", "properties": {"child": {"$ref": "#"}}}
    assert "child" in example_of(schema)


def test_exclusive_minimum_is_exceeded() -> None:
    assert example_of({"type": "number", "exclusiveMinimum": 5}) == 6
