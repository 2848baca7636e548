/** Values and labels of Peering Manager's choice fields, from its `enums.py` files. Data only. */

/** BGP groups, internet exchanges, routers. */
export const STATUS = {
  enabled: 'Enabled',
  'pre-maintenance': 'Pre-maintenance',
  maintenance: 'Maintenance',
  'post-maintenance': 'Post-maintenance',
  disabled: 'Disabled',
} as const;

export const CONNECTION_STATUS = STATUS;

export const BGP_SESSION_STATUS = {
  requested: 'Requested',
  provisioning: 'Provisioning',
  enabled: 'Enabled',
  'pre-maintenance': 'Pre-maintenance',
  maintenance: 'Maintenance',
  'post-maintenance': 'Post-maintenance',
  disabled: 'Disabled',
  decommissioning: 'Decommissioning',
  decommissioned: 'Decommissioned',
} as const;

export const DATA_SOURCE_TYPE = { local: 'Local', git: 'Git', 'amazon-s3': 'Amazon S3' } as const;

export const DATA_SOURCE_STATUS = {
  new: 'New',
  queued: 'Queued',
  synchronising: 'Synchronising',
  pushing: 'Pushing',
  completed: 'Completed',
  failed: 'Failed',
} as const;
