import { createLazyRoute } from '@tanstack/react-router';
import { Datasource } from './Datasource';

export const route = createLazyRoute('/catalog/$id/$tab')({ component: Datasource });
