import { createLazyRoute } from '@tanstack/react-router';
import { Create } from './Create';

export const route = createLazyRoute('/new')({ component: Create });
