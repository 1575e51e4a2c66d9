// The environment of a token helper: what PKCS#11 modules read, and nothing else of the daemon's. Pure.
// No variable that makes Node or the loader run foreign code (NODE_OPTIONS, LD_PRELOAD) is passed on.

/** Passed on by their exact names. */
const NAMES: ReadonlySet<string> = new Set([
  // Where modules and their libraries look for users' files, and in which language they complain.
  'HOME',
  'PATH',
  'LANG',
  'LC_ALL',
  'TZ',
  'TMPDIR',
  'XDG_CONFIG_HOME',
  'XDG_RUNTIME_DIR',
  // SoftHSM; OpenSC and pcscd; the bus of tpm2-abrmd; NSS.
  'SOFTHSM2_CONF',
  'OPENSC_CONF',
  'PCSCLITE_CSOCK_NAME',
  'DBUS_SESSION_BUS_ADDRESS',
  'NSS_MAX_MP_PBE_ITERATION_COUNT',
  // OpenSC's pkcs11-spy, for who has to see the calls; it is used only when it is the configured module.
  'PKCS11SPY',
  'PKCS11SPY_OUTPUT',
]);

/** Passed on by how their names begin: tpm2-pkcs11, tpm2-tss, p11-kit, opencryptoki, ykcs11. */
const PREFIXES: readonly string[] = ['TPM2_PKCS11_', 'TSS2_', 'P11_KIT_', 'PKCSLIB_', 'YKCS11_'];

/** The part of `env` a token helper gets. */
export function helperEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const allowed = Object.entries(env).filter(
    ([name]) => NAMES.has(name) || PREFIXES.some((prefix) => name.startsWith(prefix)),
  );
  return Object.fromEntries(allowed);
}
