/**
 * What metacontroller asks for a StatefulSet: which Services belong to it. One for each pod, of type
 * LoadBalancer, so that a client outside reaches each server by itself. In one file, on Node's own modules,
 * because a ConfigMap carries it.
 */
import { createServer } from "node:http";
import type { IncomingMessage } from "node:http";

export interface StatefulSet {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: {
    readonly replicas?: number;
    readonly selector: { readonly matchLabels: object };
  };
}

const BODY_BYTES_MAX = 1024 * 1024;

/** `name:port:targetPort`, several with commas. */
function portsOf(text: string): object[] {
  return text.split(",").map((part) => {
    const [name = "", port = "", targetPort = port] = part.trim().split(":");
    if (!/^[a-z][a-z0-9-]{0,14}$/.test(name) || !/^\d+$/.test(port) || !/^\d+$/.test(targetPort)) {
      throw new Error(`service-per-pod-ports: ${part} is not name:port:targetPort`);
    }
    return { name, port: Number(port), targetPort: Number(targetPort) };
  });
}

/** The Services that a StatefulSet should have; those of pods that are gone are not among them. */
export function servicesOf({ metadata, spec }: StatefulSet): object[] {
  const label = metadata.annotations?.["service-per-pod-label"];
  const ports = metadata.annotations?.["service-per-pod-ports"];
  if (label === undefined || ports === undefined) return [];
  return Array.from({ length: spec.replicas ?? 1 }, (_, at) => {
    const pod = `${metadata.name}-${at}`;
    return {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: `${pod}-external`, labels: { app: "service-per-pod" } },
      spec: {
        type: "LoadBalancer",
        selector: { ...spec.selector.matchLabels, [label]: pod },
        ports: portsOf(ports),
      },
    };
  });
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > BODY_BYTES_MAX) throw new Error("the body is too large");
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

/** Answers `POST /sync`; anything that fails is told to metacontroller, which tries again. */
export function serve(port: number): ReturnType<typeof createServer> {
  const server = createServer((request, response) => {
    bodyOf(request)
      .then((body) => {
        const { object } = JSON.parse(body) as { object: StatefulSet };
        response.setHeader("content-type", "application/json");
        response.end(JSON.stringify({ attachments: servicesOf(object) }));
      })
      .catch((error: unknown) => {
        response.statusCode = 400;
        response.end(String(error));
      });
  });
  return server.listen(port);
}

if (process.argv[1]?.endsWith("hook.ts") === true) {
  const server = serve(8080);
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => server.close());
}
