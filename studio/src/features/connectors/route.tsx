import { createLazyRoute } from '@tanstack/react-router';
import { Connectors } from './Connectors';

export const route = createLazyRoute('/connectors')({ component: Connectors });
