export interface DemoOptions { readonly once?: boolean; readonly sql?: string }
