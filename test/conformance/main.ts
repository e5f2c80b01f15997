/**
 * Runs the data files that pin etcd/raft's behaviour against our core.
 *
 *     npm run conformance -- DIR     every file under DIR/{interaction,quorum,confchange}
 *
 * Prints a line per file, goes on after failures, and exits 1 when there was one.
 */
import { findDataFiles, runDataFile } from "./run.ts";

function main(folder: string | undefined): number {
  if (folder === undefined) {
    process.stderr.write("usage: npm run conformance -- DIR\n");
    return 2;
  }
  const names = findDataFiles(folder);
  if (names.length === 0) {
    process.stderr.write(`no data files in ${folder}\n`);
    return 2;
  }
  const results = names.map((name) => {
    const result = runDataFile(folder, name);
    const { failure, directives } = result;
    process.stdout.write(
      failure === undefined
        ? `ok    ${name} (${directives} directives)\n`
        : `FAIL  ${name}: ${failure}\n`,
    );
    return result;
  });
  const failed = results.filter(({ failure }) => failure !== undefined).length;
  const directives = results.reduce((sum, result) => sum + result.directives, 0);
  process.stdout.write(`${directives} directives\n`);
  process.stdout.write(`${results.length - failed} passed, ${failed} failed\n`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = main(process.argv[2]);
