// How grpc-js is told to talk to a Nacos server.
import type { ChannelOptions } from '@grpc/grpc-js';

/** 20,000 instances with metadata. The default of grpc-js, 4 MiB, is less than one list of 5,000. */
const MAX_MESSAGE_BYTES = 67_108_864;
/**
 * What the server may send unasked. It gives a push up for a second while 32 KiB wait to be sent, so that a thousand lists at
 * once through the default of 64 KiB keep each other out for minutes.
 */
const WINDOW_BYTES = 16_777_216;

/** Of every connection. */
export const CHANNEL_OPTIONS: ChannelOptions = {
  // Else connections of one process to one server become one, and with them their records.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
  'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
  'grpc-node.flow_control_window': WINDOW_BYTES,
  'grpc.enable_http_proxy': 0, // `http_proxy` is what apps reach this very sidecar by.
  'grpc.enable_retries': 0,
  'grpc.service_config_disable_resolution': 1,
  'grpc.enable_channelz': 0,
};
