/** `1 host`, `3 hosts`. @param what in the singular; its plural ends with an s. */
export function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
