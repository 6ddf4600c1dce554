import { createTheme, type CSSVariablesResolver, type MantineColorsTuple } from '@mantine/core';

const brand: MantineColorsTuple = [
  '#eaf5fa',
  '#d5e8f1',
  '#a9d2e4',
  '#7dbcd7',
  '#58a9cb',
  '#3f9cc4',
  '#2b87ae',
  '#1f7296',
  '#185f7f',
  '#0c4a65',
];

const dark: MantineColorsTuple = [
  '#d5dbe0',
  '#b6bec5',
  '#98a1a9',
  '#6c767e',
  '#3b444b',
  '#2c343a',
  '#20262b',
  '#16191c',
  '#121518',
  '#0d0f11',
];

export const theme = createTheme({
  colors: { brand, dark },
  primaryColor: 'brand',
  primaryShade: { light: 8, dark: 7 },
  defaultRadius: 'sm',
  cursorType: 'pointer',
  fontFamily: '"Inter Variable", system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif',
  fontFamilyMonospace: 'ui-monospace, SFMono-Regular, Menlo, Consolas, monospace',
  headings: { fontWeight: '600', sizes: { h1: { fontSize: '1.375rem' }, h2: { fontSize: '1.05rem' } } },
  components: {
    Anchor: { defaultProps: { underline: 'always' } },
    Tooltip: { defaultProps: { withArrow: true, openDelay: 300 } },
    Table: { defaultProps: { verticalSpacing: 'xs', horizontalSpacing: 'sm' } },
    Modal: { defaultProps: { centered: true, closeButtonProps: { 'aria-label': 'Close' } } },
  },
});

/** Mantine's greys for secondary text miss the contrast of WCAG AA; these do not. */
export const cssVariables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    '--mantine-color-dimmed': '#56606a',
    '--mantine-color-placeholder': '#68727c',
    '--mantine-color-error': '#b42318',
    '--mantine-color-anchor': '#12587a',
    '--studio-canvas': '#f6f8f9',
    '--studio-line': '#dfe4e8',
    '--studio-good': '#1a7f4b',
    '--studio-warn': '#9a5b00',
    '--studio-bad': '#b42318',
    '--studio-idle': '#67717b',
  },
  dark: {
    '--mantine-color-dimmed': '#a9b1b8',
    '--mantine-color-placeholder': '#98a1a9',
    '--mantine-color-error': '#ff9187',
    '--mantine-color-anchor': '#86c5e0',
    '--mantine-color-body': '#16191c',
    '--studio-canvas': '#111416',
    '--studio-line': '#30363b',
    '--studio-good': '#5ccb93',
    '--studio-warn': '#f0b357',
    '--studio-bad': '#ff8f85',
    '--studio-idle': '#98a1a9',
  },
});
