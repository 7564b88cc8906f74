"""Is the simulated tokenizer lossless, stable under cutting, and the same for prompts and answers?"""

from hypothesis import given
from hypothesis import strategies as st

from litemaas.sim.prose import Prose
from litemaas.sim.tokens import join_tokens, render_chat, split_tokens, token_id

TEXTS = st.text(st.characters(exclude_categories=("Cs",)))


@given(TEXTS)
def test_tokens_join_to_the_text_they_came_from(text: str) -> None:
    assert "".join(split_tokens(text)) == text


@given(TEXTS)
def test_token_ids_are_small_numbers_that_lead_back_to_the_text(text: str) -> None:
    ids = [token_id(token) for token in split_tokens(text)]
    assert all(0 <= number < 2**48 for number in ids)
    assert join_tokens(ids) == text


@given(TEXTS, st.integers(0, 50))
def test_cutting_between_tokens_keeps_the_tokens_before_the_cut(text: str, length: int) -> None:
    kept = split_tokens(text)[:length]
    assert split_tokens("".join(kept)) == kept


@given(st.integers(0, 2**31 - 1))
def test_prose_is_twenty_to_sixty_tokens_of_whole_sentences(seed: int) -> None:
    pieces = Prose().write(seed)
    text = "".join(piece.text for piece in pieces)
    assert 20 <= len(pieces) <= 60
    assert [piece.text for piece in pieces] == split_tokens(text)
    assert text.endswith(".")


@given(st.integers(0, 2**31 - 1), st.integers(0, 500))
def test_prose_of_an_exact_length_has_that_many_tokens(seed: int, length: int) -> None:
    pieces = Prose().write(seed, exactly=length)
    assert len(pieces) == len(split_tokens("".join(piece.text for piece in pieces))) == length


def test_chat_becomes_lines_of_role_and_content() -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Look: "}, {"type": "image_url", "image_url": {}}]},
    ]
    assert render_chat(messages) == "system: Be brief.\nuser: Look: <image_url>\nassistant:"


def test_tools_are_part_of_the_prompt() -> None:
    messages = [{"role": "user", "content": "Hi"}]
    assert render_chat(messages, [{"type": "function"}]).startswith('tools: [{"type":"function"}]\n')
