import { createLazyRoute } from '@tanstack/react-router';
import { Account } from './Account';

export const route = createLazyRoute('/account')({ component: Account });
