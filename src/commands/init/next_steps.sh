# rehearse it: nothing is dialed
dialer run campaign.toml --simulate
# your own phone first in the list, the manager user's secret in ami.secret: call the first
dialer run campaign.toml --limit 1 --fresh --results first-call.csv
# call everyone
dialer run campaign.toml
