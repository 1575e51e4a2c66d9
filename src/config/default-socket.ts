// Where clavigerd listens and claviger looks for it, unless they are configured otherwise: the two
// meet without any setting. Pure.

export const DEFAULT_SOCKET_PATH = '%t/S.claviger';
