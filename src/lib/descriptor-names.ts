// Names of descriptors that systemd passes (FileDescriptorName=, OpenFile=). Pure.

/** A descriptor to systemd itself, which is no socket for clients: never served, whatever it is. */
export const RESERVED_DESCRIPTOR = 'notify';
