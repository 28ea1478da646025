import { defineConfig } from 'vite'

/** Builds the dashboard into dist/dashboard, from where the admin listener serves it. */
export default defineConfig({
  root: import.meta.dirname,
  // Relative, so that the dashboard works behind a proxy that serves the admin API below a path.
  base: './',
  build: {
    outDir: '../../dist/dashboard',
    emptyOutDir: true,
    target: 'es2022',
    // The Content-Security-Policy forbids inline scripts and data: URLs.
    assetsInlineLimit: 0,
    modulePreload: false
  },
  // `ADMIN=http://127.0.0.1:8081 npx vite admin/dashboard` serves the sources before a running gateway.
  server: {
    proxy: {
      '^/(?!@|node_modules|[\\w./-]+\\.(?:tsx?|css|svg|mjs|js)|$)':
        process.env.ADMIN ?? 'http://127.0.0.1:8081'
    }
  }
})
