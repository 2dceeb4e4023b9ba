import { hopping, minutes, timeWindowed, topic, topology, utf8, type Windowed } from 'millrace';

export interface View {
  readonly user: string;
  readonly page: string;
}
export const views = topic<string, View>('page-views');
export const profiles = topic<string, { readonly region: string }>('user-profiles');
export const byRegion = topic<Windowed<string>, number>('page-views-by-region', {
  key: timeWindowed(utf8, minutes(5)),
});

export default topology('views-by-region', (t) => {
  t.stream(views)
    .keyBy('by-user', ({ user }) => user)
    .leftJoinTable(t.table('profiles', profiles), ({ page }, profile) => ({
      page,
      region: profile?.region ?? 'unknown',
    }))
    .keyBy('by-region', ({ region }) => region)
    .window(hopping({ size: minutes(5), advance: minutes(1), grace: minutes(1) }))
    .count('views')
    .to(byRegion);
});
