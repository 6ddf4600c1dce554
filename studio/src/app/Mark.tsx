/** The mark of the product. */
export function Mark({ size = 26 }: { size?: number }) {
  return (
    <svg viewBox="0 0 32 32" width={size} height={size} aria-hidden>
      <rect width="32" height="32" rx="7" fill="#185f7f" />
      <g fill="none" stroke="#fff" strokeWidth="2.5" strokeLinecap="round">
        <path d="M7 9h6c4 0 3 7 7 7M7 16h13M7 23h6c4 0 3-7 7-7" />
      </g>
      <circle cx="23.5" cy="16" r="3.5" fill="#8fd8e8" />
    </svg>
  );
}
