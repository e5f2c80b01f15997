import { Metadata } from "@grpc/grpc-js";
import { context, propagation } from "@opentelemetry/api";
import type { TextMapSetter } from "@opentelemetry/api";

const setter: TextMapSetter<Metadata> = {
  set: (metadata, key, value) => metadata.set(key, value),
};

/**
 * What goes with a call besides its request: the trace that the program is in, when it uses
 * OpenTelemetry and has chosen a propagator. Otherwise nothing, at the price of two function calls.
 * A stream belongs to the trace in which it was opened.
 */
export function callMetadata(): Metadata {
  const metadata = new Metadata();
  propagation.inject(context.active(), metadata, setter);
  return metadata;
}

/**
 * The same for a stream. Its answers may be interleaved with those of other calls (RFC 9218): without
 * that word, servers on Node 24 and later finish what began first, and a few streams that read as fast
 * as the connection carries let the answer of a later call wait for as long as they last.
 */
export function streamMetadata(): Metadata {
  const metadata = callMetadata();
  metadata.set("priority", "i");
  return metadata;
}
