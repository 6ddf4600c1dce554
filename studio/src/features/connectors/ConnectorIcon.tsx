import {
  IconBroadcast,
  IconBuildingWarehouse,
  IconCloudDownload,
  IconDatabase,
  IconPlug,
  IconPlugConnected,
  IconStack2,
  IconTopologyRing,
  IconWebhook,
} from '@tabler/icons-react';

const ICONS: Record<string, typeof IconPlug> = {
  webhook: IconWebhook,
  http_poller: IconCloudDownload,
  kafka: IconStack2,
  nats: IconTopologyRing,
  object_store: IconBuildingWarehouse,
  sql: IconDatabase,
  sse: IconBroadcast,
  websocket: IconPlugConnected,
};

export function ConnectorIcon({ name, size = 24 }: { name: string; size?: number }) {
  const Icon = ICONS[name] ?? IconPlug;
  return <Icon size={size} stroke={1.5} color="var(--mantine-color-anchor)" aria-hidden />;
}
