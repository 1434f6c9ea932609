/**
 * Lays rows out in columns, each as wide as its widest cell; columns of numbers and empty cells to the right.
 * @param rows the first one is the head.
 */
export function renderTable(rows: readonly (readonly (string | number)[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, String(cell).length);
    });
  }
  const isNumber = widths.map((_, column) => {
    const cells = rows.slice(1).map((row) => row[column]);
    return (
      cells.some((cell) => typeof cell === "number") && cells.every((cell) => typeof cell === "number" || cell === "")
    );
  });
  const lines = rows.map((row) => {
    const cells = row.map((cell, column) => {
      const width = widths[column]!;
      return isNumber[column] ? String(cell).padStart(width) : String(cell).padEnd(width);
    });
    return cells.join("  ").trimEnd();
  });
  return `${lines.join("\n")}\n`;
}
