import { Button, Group, Modal, Stack, Text, TextInput, type ButtonProps } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { notifications } from '@mantine/notifications';
import { useMutation } from '@tanstack/react-query';
import { useState, type ReactNode } from 'react';
import { request } from '../api/client';
import type { TypedDocumentString } from '../api/generated/graphql';
import { useCan, type Permission } from '../api/viewer';
import { CopyCurl, curlOf } from './copy';
import { ErrorView } from './ErrorView';

interface Props<T, V> extends Omit<ButtonProps, 'onClick'> {
  label: string;
  permission: Permission;
  /** What it will do, before it is done. */
  explains: ReactNode;
  document: TypedDocumentString<T, V>;
  /** The variables, with what was written in the reason field. */
  variables: (reason: string | undefined) => NoInfer<V>;
  /** The reason goes to the timeline and the audit log. */
  asks?: string;
  done: string;
  onDone?: (data: T) => void;
  danger?: boolean;
  children?: ReactNode;
}

/** An action: hidden without the permission, explained and confirmed before, reported after. */
export function ActionButton<T, V extends { input: object }>(props: Props<T, V>) {
  const {
    label,
    permission,
    explains,
    document,
    variables,
    asks,
    done,
    onDone,
    danger,
    children,
    ...button
  } = props;
  const [opened, { open, close }] = useDisclosure();
  const [reason, setReason] = useState('');
  const can = useCan();
  const vars = () => variables(reason.trim() || undefined);
  const run = useMutation({
    mutationFn: () => (request as (document: unknown, variables: V) => Promise<T>)(document, vars()),
    onSuccess: (data) => {
      close();
      setReason('');
      notifications.show({ message: done, withBorder: true });
      onDone?.(data);
    },
  });
  if (!can(permission)) return null;
  const start = () => {
    run.reset();
    open();
  };
  const colour = danger ? { color: 'red.9' } : {};
  return (
    <>
      <Button variant="default" size="sm" {...button} onClick={start}>
        {label}
      </Button>
      <Modal opened={opened} onClose={close} title={<Text fw={600}>{label}</Text>}>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            run.mutate();
          }}
        >
          <Stack gap="sm">
            <Text size="sm" component="div">
              {explains}
            </Text>
            {children}
            {asks && (
              <TextInput
                label={asks}
                value={reason}
                onChange={(event) => setReason(event.currentTarget.value)}
                data-autofocus
              />
            )}
            {run.error && <ErrorView error={run.error} />}
            <Group justify="space-between" mt="xs">
              {opened ? <CopyCurl value={curlOf(document, vars())} /> : <span />}
              <Group gap="xs">
                <Button variant="default" onClick={close}>
                  Cancel
                </Button>
                <Button type="submit" loading={run.isPending} {...colour}>
                  {label}
                </Button>
              </Group>
            </Group>
          </Stack>
        </form>
      </Modal>
    </>
  );
}
