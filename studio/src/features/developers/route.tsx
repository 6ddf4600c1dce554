import { createLazyRoute } from '@tanstack/react-router';
import { Developers } from './Developers';

export const route = createLazyRoute('/developers')({ component: Developers });
