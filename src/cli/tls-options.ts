import type { Command } from "commander";
import type { ClientTls } from "../client/index.ts";
import type { CommonOptions, Context } from "./run.ts";

/** Whom a command believes to be a server, and how it proves who it is. */
export interface TlsOptions extends CommonOptions {
  readonly tlsCaFile?: string;
  readonly tlsCertFile?: string;
  readonly tlsKeyFile?: string;
  readonly tlsServerName?: string;
}

export function addTlsOptions(command: Command): void {
  command
    .option("--tls-ca-file <file>", "speak TLS, and believe servers that this authority signed")
    .option("--tls-cert-file <file>", "the certificate that says who you are")
    .option("--tls-key-file <file>", "its key")
    .option("--tls-server-name <name>", "the name in the server's certificate, if not its address");
}

/** By flags, else by variables (`PROGLOG_TLS_CA_FILE`); undefined is plaintext. */
export function tlsOf({ env }: Context, options: TlsOptions): ClientTls | undefined {
  const caFile = options.tlsCaFile ?? env["PROGLOG_TLS_CA_FILE"];
  const certFile = options.tlsCertFile ?? env["PROGLOG_TLS_CERT_FILE"];
  const keyFile = options.tlsKeyFile ?? env["PROGLOG_TLS_KEY_FILE"];
  const serverName = options.tlsServerName ?? env["PROGLOG_TLS_SERVER_NAME"];
  const files = {
    caFile: given(caFile),
    certFile: given(certFile),
    keyFile: given(keyFile),
  };
  if (Object.values(files).every((file) => file === undefined)) return undefined;
  return { ...files, serverName: given(serverName) };
}

function given(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}
