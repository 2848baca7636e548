/** Names and texts as SQL writes them. */

/** A quoted identifier. */
export function ident(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

export function qualified(table: { readonly schema: string; readonly name: string }): string {
  return `${ident(table.schema)}.${ident(table.name)}`;
}

/** A string literal. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
