import 'uplot/dist/uPlot.min.css';
import { useComputedColorScheme } from '@mantine/core';
import { useElementSize } from '@mantine/hooks';
import { useEffect, useRef } from 'react';
import UPlot from 'uplot';

interface Props {
  points: { at: string; value: number }[];
  /** The name of a CSS variable. */
  colour?: string;
  height?: number;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hour12: false });

export default function ChartInner({ points, colour = '--mantine-color-anchor', height = 96 }: Props) {
  const { ref, width } = useElementSize();
  const plot = useRef<UPlot | null>(null);
  const host = useRef<HTMLDivElement>(null);
  const scheme = useComputedColorScheme('light');
  useEffect(() => {
    if (!host.current || width === 0) return;
    const style = getComputedStyle(document.documentElement);
    const stroke = style.getPropertyValue(colour).trim() || '#185f7f';
    const text = style.getPropertyValue('--mantine-color-dimmed').trim();
    const line = { stroke: style.getPropertyValue('--studio-line').trim(), width: 1 };
    const axis = { stroke: text, font: '11px system-ui', grid: line, ticks: { show: false } };
    plot.current = new UPlot(
      {
        width,
        height,
        legend: { show: false },
        cursor: { show: false },
        padding: [8, 16, 0, 0],
        scales: { y: { range: (_, __, max) => [0, max > 0 ? max * 1.1 : 1] } },
        axes: [
          {
            ...axis,
            size: 22,
            grid: { show: false },
            space: 70,
            values: (_, splits) => splits.map((at) => clock.format(at * 1000)),
          },
          { ...axis, size: 42, space: 28, gap: 4 },
        ],
        series: [{}, { stroke, width: 1.6, fill: `${stroke}22`, points: { show: false } }],
      },
      [[], []],
      host.current,
    );
    return () => {
      plot.current?.destroy();
      plot.current = null;
    };
  }, [width, height, colour, scheme]);
  useEffect(() => {
    plot.current?.setData([
      points.map(({ at }) => new Date(at).getTime() / 1000),
      points.map(({ value }) => value),
    ]);
  }, [points, width, height, colour, scheme]);
  return (
    <div ref={ref} style={{ height, overflow: 'hidden' }}>
      <div ref={host} />
    </div>
  );
}
