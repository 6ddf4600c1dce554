import { createLazyRoute } from '@tanstack/react-router';
import { Audit } from './Audit';

export const route = createLazyRoute('/audit')({ component: Audit });
