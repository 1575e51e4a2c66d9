// Times of a signature by a token where no setting of clavigerd.toml gives them: for the daemon,
// and for `clavigerd key`, which reads no configuration. Pure.

/** Setting sign-timeout: longest time for one operation of a token, milliseconds. */
export const DEFAULT_SIGN_TIMEOUT_MS = 30_000;

/** Setting touch-notice: when a signature counts as waiting for a touch, milliseconds. */
export const DEFAULT_TOUCH_NOTICE_MS = 3_000;
