import text from "./licenses.txt" with { type: "text" };

/** The licence texts of everything inside the binary, collected by `scripts/licenses.ts`. */
export function licenses(): string {
  return text;
}
