import { createLazyRoute } from '@tanstack/react-router';
import { Registry } from './Registry';

export const route = createLazyRoute('/registry')({ component: Registry });
