// Compares the version of Node with the one package.json requires. Pure; the entry points call it
// before anything else is loaded, so it uses nothing that an old Node does not have.

const ENGINE = /"node": *">=(\d+)\.(\d+)"/;

/**
 * What is wrong with a version of Node (`process.versions.node`), as a sentence; undefined when
 * nothing is.
 * @param manifest the text of package.json
 */
export function engineProblem(version: string, manifest: string): string | undefined {
  const [, major, minor] = ENGINE.exec(manifest) ?? [];
  const [ownMajor, ownMinor] = version.split('.').map(Number);
  const isNewEnough =
    Number(ownMajor) > Number(major) ||
    (Number(ownMajor) === Number(major) && Number(ownMinor) >= Number(minor));
  return isNewEnough
    ? undefined
    : `Node ${version} is too old: ${major ?? '?'}.${minor ?? '?'} or later is needed`;
}
