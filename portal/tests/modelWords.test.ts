import { describe, expect, it } from "vitest";
import { hasFirstToken, TYPES } from "../src/concepts/models/words";

describe("words about models", () => {
  it("tells the time to the first token of chat models only: answers of others come whole", () => {
    expect(TYPES.filter(hasFirstToken)).toEqual(["chat"]);
    expect(hasFirstToken(null)).toBe(true);
  });
});
