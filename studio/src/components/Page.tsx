import { Group, Stack, Text, Title } from '@mantine/core';
import { useDocumentTitle } from '@mantine/hooks';
import type { ReactNode } from 'react';

interface Props {
  title: string;
  intro?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
  width?: number;
}

export function Page({ title, intro, actions, children, width }: Props) {
  useDocumentTitle(`${title} · Datasource Studio`);
  return (
    <Stack gap="md" maw={width}>
      <Group justify="space-between" align="flex-start" gap="sm">
        <div>
          <Title order={1}>{title}</Title>
          {intro && (
            <Text size="sm" c="dimmed" mt={2} component="div">
              {intro}
            </Text>
          )}
        </div>
        {actions && <Group gap="xs">{actions}</Group>}
      </Group>
      {children}
    </Stack>
  );
}
