/** Text of strangers, for a log line or an error: printable ASCII on one line, and short. */
export function shown(text: string, charsMax = 80): string {
  const cut = text.length > charsMax ? `${text.slice(0, charsMax)}…` : text;
  return JSON.stringify(cut).replace(/[^ -~]/g, escaped);
}

function escaped(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
