import { Button, Stepper } from '@mantine/core';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { IconLock } from '@tabler/icons-react';
import { useState } from 'react';
import { useCan } from '../../api/viewer';
import { EmptyState } from '../../components/EmptyState';
import { Page } from '../../components/Page';
import { useDatasource, useLiveChanges } from '../datasource/queries';
import { FirstRecord } from './FirstRecord';
import { MapAndPublish } from './MapAndPublish';
import { PickConnector } from './PickConnector';
import { SourceStep } from './SourceStep';

/** From a kind of source to the first record. Where one is stands in the address, so a reload loses nothing. */
export function Create() {
  const { type, id } = useSearch({ from: '/new' });
  const can = useCan();
  const navigate = useNavigate({ from: '/new' });
  if (!can('datasource:edit')) {
    return (
      <Page title="New datasource">
        <div className="panel">
          <EmptyState icon={<IconLock size={24} />} title="Your role cannot create datasources">
            It needs the role operator. Ask an administrator for it; meanwhile the catalog shows what there
            is.
          </EmptyState>
        </div>
      </Page>
    );
  }
  return (
    <Page title="New datasource" width={1320}>
      {id ? (
        <Draft id={id} />
      ) : (
        <>
          <Steps at={type ? 1 : 0} />
          {type ? (
            <SourceStep
              key={type}
              type={type}
              onBack={() => void navigate({ search: {} })}
              onCreated={(created) => void navigate({ search: { id: created }, replace: true })}
            />
          ) : (
            <PickConnector onPick={(name) => void navigate({ search: { type: name } })} />
          )}
        </>
      )}
    </Page>
  );
}

function Draft({ id }: { id: string }) {
  const datasource = useDatasource(id);
  useLiveChanges(id);
  // Somebody else may publish meanwhile; what is being edited stays on the screen.
  const [dirty, setDirty] = useState(false);
  const live = datasource.currentVersion !== null && !dirty;
  return (
    <>
      <Steps at={live ? 3 : 2} />
      {live ? (
        <FirstRecord datasource={datasource} />
      ) : (
        <MapAndPublish datasource={datasource} onDirty={setDirty} />
      )}
    </>
  );
}

function Steps({ at }: { at: number }) {
  return (
    <Stepper
      active={at}
      size="xs"
      iconSize={26}
      allowNextStepsSelect={false}
      wrap={false}
      mb="xs"
      visibleFrom="sm"
      maw={760}
    >
      {['Connector', 'Source', 'Mapping', 'First record'].map((label) => (
        <Stepper.Step key={label} label={label} component="div" />
      ))}
    </Stepper>
  );
}

export function BackButton({ onClick }: { onClick: () => void }) {
  return (
    <Button variant="default" onClick={onClick}>
      Back
    </Button>
  );
}
