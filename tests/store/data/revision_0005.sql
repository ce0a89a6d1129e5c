-- A database of Roony at schema revision 0005, served with the simulator at commit 65b54e0: of one agent's purchases one
-- is ready, one authorized, one settled and one waits for approval; a second agent is frozen with a card that is used.
-- A table it left empty has one made-up row. Everything in it is made up; keys are there as hashes only.
CREATE TABLE "access_keys" (
	hash TEXT NOT NULL,
	id TEXT NOT NULL,
	organization_id TEXT NOT NULL,
	kind TEXT NOT NULL,
	agent_id TEXT,
	user_id TEXT,
	name TEXT NOT NULL,
	prefix TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	revoked_at BIGINT,
	scopes TEXT NOT NULL,
	allowed_addresses TEXT NOT NULL,
	requests_per_minute BIGINT,
	expires_at BIGINT,
	last_used_at BIGINT,
	replaced_by TEXT,
	PRIMARY KEY (hash)
);
CREATE TABLE account_routes (
	stripe_account TEXT NOT NULL,
	livemode BIGINT NOT NULL,
	organization_id TEXT NOT NULL,
	connection_id TEXT NOT NULL,
	PRIMARY KEY (stripe_account, livemode)
);
CREATE TABLE agents (
	organization_id TEXT NOT NULL,
	id TEXT NOT NULL,
	project_id TEXT NOT NULL,
	project_ids TEXT NOT NULL,
	name TEXT NOT NULL,
	description TEXT NOT NULL,
	frozen_at BIGINT,
	public_key TEXT,
	created_at BIGINT NOT NULL,
	PRIMARY KEY (organization_id, id)
);
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL,
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE alerts (
	organization_id TEXT NOT NULL,
	id TEXT NOT NULL,
	kind TEXT NOT NULL,
	subject TEXT NOT NULL,
	status TEXT NOT NULL,
	message TEXT NOT NULL,
	times BIGINT NOT NULL,
	closed_by TEXT,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	closed_at BIGINT,
	PRIMARY KEY (organization_id, id)
);
CREATE TABLE app_tokens (
	organization_id TEXT NOT NULL,
	connection_id TEXT NOT NULL,
	generation BIGINT NOT NULL,
	obtained_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	holder TEXT,
	lease_until BIGINT NOT NULL,
	lost BIGINT NOT NULL,
	unsure BIGINT NOT NULL,
	failures BIGINT NOT NULL,
	retry_at BIGINT NOT NULL,
	PRIMARY KEY (organization_id, connection_id)
);
CREATE TABLE "approvals" (
	organization_id TEXT NOT NULL,
	id TEXT NOT NULL,
	purchase_id TEXT NOT NULL,
	status TEXT NOT NULL,
	snapshot TEXT NOT NULL,
	expires_at BIGINT NOT NULL,
	decided_by TEXT,
	decided_at BIGINT,
	note TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	kind TEXT NOT NULL,
	amount BIGINT, first_approved_by TEXT, first_approved_at BIGINT, approved_amount BIGINT,
	PRIMARY KEY (organization_id, id)
);
CREATE TABLE audit_records (
	organization_id TEXT NOT NULL,
	sequence BIGINT NOT NULL,
	id TEXT NOT NULL,
	at BIGINT NOT NULL,
	actor TEXT NOT NULL,
	action TEXT NOT NULL,
	subject TEXT NOT NULL,
	body TEXT NOT NULL,
	previous_hash TEXT NOT NULL,
	hash TEXT NOT NULL,
	PRIMARY KEY (organization_id, sequence)
);
CREATE TABLE authorization_decisions (
	organization_id TEXT NOT NULL,
	authorization_id TEXT NOT NULL,
	ordinal BIGINT NOT NULL,
	amount BIGINT NOT NULL,
	id TEXT NOT NULL,
	purchase_id TEXT,
	approved BIGINT NOT NULL,
	approved_amount BIGINT NOT NULL,
	code TEXT NOT NULL,
	answered TEXT NOT NULL,
	at BIGINT NOT NULL,
	PRIMARY KEY (organization_id, authorization_id, ordinal, amount)
);
CREATE TABLE "authorizations" (
	organization_id TEXT NOT NULL,
	id TEXT NOT NULL,
	connection_id TEXT NOT NULL,
	purchase_id TEXT,
	card_id TEXT,
	stripe_card_id TEXT NOT NULL,
	status TEXT NOT NULL,
	approved BIGINT NOT NULL,
	provisional BIGINT NOT NULL,
	card_check BIGINT NOT NULL,
	amount BIGINT NOT NULL,
	captured BIGINT NOT NULL,
	currency TEXT NOT NULL,
	merchant_amount BIGINT NOT NULL,
	merchant_currency TEXT NOT NULL,
	merchant TEXT NOT NULL,
	network_transaction_id TEXT,
	history_length BIGINT NOT NULL,
	transactions_seen BIGINT NOT NULL,
	final BIGINT NOT NULL,
	statement_at BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	history TEXT NOT NULL,
	finals TEXT NOT NULL,
	seen_at BIGINT NOT NULL,
	began_at BIGINT NOT NULL,
	payment BIGINT NOT NULL,
	three_d_secure TEXT NOT NULL,
	PRIMARY KEY (organization_id, id)
);
CREATE TABLE budget_periods (
	organization_id TEXT NOT NULL,
	budget_id TEXT NOT NULL,
	period_start BIGINT NOT NULL,
	held BIGINT NOT NULL,
	spent BIGINT NOT NULL,
	PRIMARY KEY (organization_id, budget_id, period_start)
);
CREATE TABLE budgets (
	organization_id TEXT NOT NULL,
	id TEXT NOT NULL,
	scope TEXT NOT NULL,
	scope_id TEXT NOT NULL,
	currency TEXT NOT NULL,
	period TEXT NOT NULL,
	time_zone TEXT NOT NULL,
	limit_amount BIGINT,
	created_at BIGINT NOT NULL,
	PRIMARY KEY (organization_id, id)
);
CREATE TABLE cardholder_choices (
	organization_id TEXT NOT NULL,
	scope_id TEXT NOT NULL,
	scope TEXT NOT NULL,
	cardholder TEXT,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	PRIMARY KEY (organization_id, scope_id)
);
CREATE TABLE cardholders (
	organization_id TEXT NOT NULL,
	connection_id TEXT NOT NULL,
	scope_id TEXT NOT NULL,
	scope TEXT NOT NULL,
	params TEXT NOT NULL,
	attempt BIGINT NOT NULL,
	stripe_cardholder_id TEXT,
	status TEXT NOT NULL,
	requirements TEXT NOT NULL,
	stated_at BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	reason TEXT,
	PRIMARY KEY (organization_id, connection_id, scope_id)
);
CREATE TABLE "cards" (
	organization_id TEXT NOT NULL,
	id TEXT NOT NULL,
	purchase_id TEXT NOT NULL,
	connection_id TEXT NOT NULL,
	stripe_card_id TEXT,
	status TEXT NOT NULL,
	stripe_status TEXT,
	currency TEXT NOT NULL,
	hard_limit BIGINT NOT NULL,
	last4 TEXT,
	exp_month BIGINT,
	exp_year BIGINT,
	expires_at BIGINT NOT NULL,
	deliveries BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	seen_at BIGINT NOT NULL, frozen_at BIGINT, fraud_warning TEXT, limit_at_stripe BIGINT,
	PRIMARY KEY (organization_id, id)
);
CREATE TABLE confirmations (
	organization_id TEXT NOT NULL,
	subject TEXT NOT NULL,
	name TEXT NOT NULL,
	value TEXT,
	confirmed_by TEXT,
	confirmed_at BIGINT,
	contradicted_at BIGINT,
	evidence TEXT,
	updated_at BIGINT NOT NULL,
	PRIMARY KEY (organization_id, subject, name)
);
CREATE TABLE connection_secrets (
	organization_id TEXT NOT NULL,
	connection_id TEXT NOT NULL,
	name TEXT NOT NULL,
	sealed TEXT NOT NULL,
	updated_at BIGINT NOT NULL,
	PRIMARY KEY (organization_id, connection_id, name)
);
CREATE TABLE "connections" (
	organization_id TEXT NOT NULL,
	id TEXT NOT NULL,
	kind TEXT NOT NULL,
	status TEXT NOT NULL,
	stripe_account TEXT,
	livemode BIGINT NOT NULL,
	scope TEXT,
	currency TEXT NOT NULL,
	status_reason TEXT,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	catching_up_since BIGINT,
	restrictions TEXT NOT NULL,
	card_issuing TEXT,
	account_seen_at BIGINT NOT NULL,
	activated_at BIGINT,
	webhooks TEXT NOT NULL,
	platform_account TEXT,
	PRIMARY KEY (organization_id, id)
);
CREATE TABLE control_versions (
	organization_id TEXT NOT NULL,
	scope_id TEXT NOT NULL,
	version BIGINT NOT NULL,
	scope TEXT NOT NULL,
	fields TEXT NOT NULL,
	actor TEXT,
	at BIGINT NOT NULL,
	PRIMARY KEY (organization_id, scope_id, version)
);
CREATE TABLE controls (
	organization_id TEXT NOT NULL,
	id TEXT NOT NULL,
	scope TEXT NOT NULL,
	scope_id TEXT NOT NULL,
	version BIGINT NOT NULL,
	fields TEXT NOT NULL,
	updated_at BIGINT NOT NULL,
	PRIMARY KEY (organization_id, scope_id)
);
CREATE TABLE discrepancies (
	organization_id TEXT NOT NULL,
	id TEXT NOT NULL,
	kind TEXT NOT NULL,
	status TEXT NOT NULL,
	purchase_id TEXT,
	card_id TEXT,
	subject TEXT NOT NULL,
	expected TEXT NOT NULL,
	found TEXT NOT NULL,
	note TEXT,
	resolved_by TEXT,
	created_at BIGINT NOT NULL,
	resolved_at BIGINT,
	PRIMARY KEY (organization_id, id)
);
CREATE TABLE disputes (
	organization_id TEXT NOT NULL,
	id TEXT NOT NULL,
	connection_id TEXT NOT NULL,
	stripe_transaction_id TEXT NOT NULL,
	status TEXT NOT NULL,
	reason TEXT NOT NULL,
	amount BIGINT NOT NULL,
	currency TEXT NOT NULL,
	movements BIGINT NOT NULL,
	funds TEXT NOT NULL,
	funds_at BIGINT NOT NULL,
	statement_at BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	PRIMARY KEY (organization_id, id)
);
CREATE TABLE entries (
	organization_id TEXT NOT NULL,
	purchase_id TEXT NOT NULL,
	sequence BIGINT NOT NULL,
	hold_id TEXT NOT NULL,
	kind TEXT NOT NULL,
	held BIGINT NOT NULL,
	spent BIGINT NOT NULL,
	at BIGINT NOT NULL,
	PRIMARY KEY (organization_id, purchase_id, sequence)
);
CREATE TABLE holds (
	organization_id TEXT NOT NULL,
	id TEXT NOT NULL,
	purchase_id TEXT NOT NULL,
	amount BIGINT NOT NULL,
	currency TEXT NOT NULL,
	periods TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	PRIMARY KEY (organization_id, id)
);
CREATE TABLE inbox (
	id TEXT NOT NULL,
	account TEXT,
	livemode BIGINT NOT NULL,
	type TEXT NOT NULL,
	organization_id TEXT,
	object_id TEXT,
	status TEXT NOT NULL,
	reason TEXT,
	failures BIGINT NOT NULL,
	due_at BIGINT NOT NULL,
	lease_until BIGINT NOT NULL,
	generation BIGINT NOT NULL,
	created BIGINT NOT NULL,
	received_at BIGINT NOT NULL,
	finished_at BIGINT,
	payload BLOB NOT NULL,
	PRIMARY KEY (id)
);
CREATE TABLE kept_keys (
	organization_id TEXT NOT NULL,
	agent_id TEXT NOT NULL,
	"key" TEXT NOT NULL,
	purchase_id TEXT NOT NULL,
	body_hash TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	PRIMARY KEY (organization_id, agent_id, "key")
);
CREATE TABLE known_merchants (
	organization_id TEXT NOT NULL,
	merchant_key TEXT NOT NULL,
	name TEXT NOT NULL,
	aliases TEXT NOT NULL,
	network_ids TEXT NOT NULL,
	purchases BIGINT NOT NULL,
	first_at BIGINT NOT NULL, last_at BIGINT, last_amount BIGINT, last_currency TEXT,
	PRIMARY KEY (organization_id, merchant_key)
);
CREATE TABLE notice_cursors (
	organization_id TEXT NOT NULL,
	sequence BIGINT NOT NULL,
	PRIMARY KEY (organization_id)
);
CREATE TABLE notice_deliveries (
	organization_id TEXT NOT NULL,
	id TEXT NOT NULL,
	target_id TEXT NOT NULL,
	sequence BIGINT NOT NULL,
	place BIGINT NOT NULL,
	type TEXT NOT NULL,
	payload TEXT NOT NULL,
	status TEXT NOT NULL,
	tries BIGINT NOT NULL,
	due_at BIGINT NOT NULL,
	lease_until BIGINT NOT NULL,
	generation BIGINT NOT NULL,
	answer BIGINT,
	last_error TEXT,
	queued_at BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	finished_at BIGINT,
	PRIMARY KEY (organization_id, id)
);
CREATE TABLE oauth_states (
	hash TEXT NOT NULL,
	cookie_hash TEXT NOT NULL,
	organization_id TEXT NOT NULL,
	connection_id TEXT NOT NULL,
	expires_at BIGINT NOT NULL,
	consumed_at BIGINT,
	PRIMARY KEY (hash)
);
CREATE TABLE organizations (
	id TEXT NOT NULL,
	name TEXT NOT NULL,
	currency TEXT NOT NULL,
	time_zone TEXT NOT NULL,
	connection_id TEXT,
	frozen_at BIGINT,
	unknown_cards TEXT NOT NULL,
	delivery TEXT NOT NULL,
	unbudgeted BIGINT NOT NULL,
	settings TEXT NOT NULL,
	config_version TEXT NOT NULL,
	audit_sequence BIGINT NOT NULL,
	audit_hash TEXT NOT NULL,
	clock BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	PRIMARY KEY (id)
);
CREATE TABLE outbox (
	organization_id TEXT NOT NULL,
	id TEXT NOT NULL,
	kind TEXT NOT NULL,
	subject TEXT NOT NULL,
	params TEXT NOT NULL,
	"key" TEXT NOT NULL,
	attempt BIGINT NOT NULL,
	status TEXT NOT NULL,
	tries BIGINT NOT NULL,
	due_at BIGINT NOT NULL,
	lease_until BIGINT NOT NULL,
	generation BIGINT NOT NULL,
	last_error TEXT,
	created_at BIGINT NOT NULL,
	finished_at BIGINT,
	PRIMARY KEY (organization_id, id)
);
CREATE TABLE payments (
	organization_id TEXT NOT NULL,
	purchase_id TEXT NOT NULL,
	sequence BIGINT NOT NULL,
	hold_id TEXT NOT NULL,
	hold_amount BIGINT NOT NULL,
	interval_start BIGINT NOT NULL,
	held BIGINT NOT NULL,
	spent BIGINT NOT NULL,
	loose_captured BIGINT NOT NULL,
	refunded BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	PRIMARY KEY (organization_id, purchase_id, sequence)
);
CREATE TABLE preflights (
	organization_id TEXT NOT NULL,
	connection_id TEXT NOT NULL,
	kind TEXT NOT NULL,
	checks TEXT NOT NULL,
	checked_by TEXT NOT NULL,
	checked_at BIGINT NOT NULL,
	PRIMARY KEY (organization_id, connection_id, kind)
);
CREATE TABLE projects (
	organization_id TEXT NOT NULL,
	id TEXT NOT NULL,
	name TEXT NOT NULL,
	frozen_at BIGINT,
	created_at BIGINT NOT NULL,
	PRIMARY KEY (organization_id, id)
);
CREATE TABLE "purchases" (
	organization_id TEXT NOT NULL,
	id TEXT NOT NULL,
	agent_id TEXT NOT NULL,
	project_id TEXT NOT NULL,
	task_id TEXT,
	connection_id TEXT NOT NULL,
	status TEXT NOT NULL,
	amount BIGINT NOT NULL,
	currency TEXT NOT NULL,
	hold_id TEXT,
	hold_amount BIGINT NOT NULL,
	held BIGINT NOT NULL,
	spent BIGINT NOT NULL,
	captured BIGINT NOT NULL,
	loose_captured BIGINT NOT NULL,
	refunded BIGINT NOT NULL,
	entry_count BIGINT NOT NULL,
	card_id TEXT,
	approval_id TEXT,
	merchant_key TEXT NOT NULL,
	merchant_lock TEXT NOT NULL,
	merchant TEXT NOT NULL,
	description TEXT NOT NULL,
	metadata TEXT NOT NULL,
	decision TEXT NOT NULL,
	failure TEXT,
	fingerprint TEXT NOT NULL,
	ended_at BIGINT,
	ended_reason TEXT,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	kind TEXT NOT NULL,
	payments BIGINT NOT NULL,
	payments_made BIGINT NOT NULL, interval TEXT, next_payment_from BIGINT,
	PRIMARY KEY (organization_id, id)
);
CREATE TABLE receipt_contents (
	organization_id TEXT NOT NULL,
	id TEXT NOT NULL,
	content BLOB NOT NULL,
	PRIMARY KEY (organization_id, id)
);
CREATE TABLE receipts (
	organization_id TEXT NOT NULL,
	id TEXT NOT NULL,
	purchase_id TEXT NOT NULL,
	agent_id TEXT NOT NULL,
	media_type TEXT NOT NULL,
	size BIGINT NOT NULL,
	sha256 TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	PRIMARY KEY (organization_id, id)
);
CREATE TABLE recent_purchases (
	organization_id TEXT NOT NULL,
	agent_id TEXT NOT NULL,
	fingerprint TEXT NOT NULL,
	purchase_id TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	PRIMARY KEY (organization_id, agent_id, fingerprint)
);
CREATE TABLE reconciliations (
	organization_id TEXT NOT NULL,
	id TEXT NOT NULL,
	connection_id TEXT NOT NULL,
	kind TEXT NOT NULL,
	cause TEXT NOT NULL,
	status TEXT NOT NULL,
	since BIGINT NOT NULL,
	until BIGINT NOT NULL,
	place TEXT NOT NULL,
	reads BIGINT NOT NULL,
	events BIGINT NOT NULL,
	authorizations BIGINT NOT NULL,
	transactions BIGINT NOT NULL,
	cards BIGINT NOT NULL,
	booked BIGINT NOT NULL,
	differences BIGINT NOT NULL,
	detail TEXT NOT NULL,
	error TEXT,
	requested_by TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	finished_at BIGINT,
	PRIMARY KEY (organization_id, id)
);
CREATE TABLE reveal_links (
	hash TEXT NOT NULL,
	organization_id TEXT NOT NULL,
	purchase_id TEXT NOT NULL,
	delivery BIGINT NOT NULL,
	requested_by TEXT NOT NULL,
	purpose TEXT NOT NULL,
	wrong_keys BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	used_at BIGINT,
	used_by TEXT,
	created_at BIGINT NOT NULL,
	PRIMARY KEY (hash)
);
CREATE TABLE start_tickets (
	hash TEXT NOT NULL,
	organization_id TEXT NOT NULL,
	connection_id TEXT NOT NULL,
	expires_at BIGINT NOT NULL,
	used_at BIGINT,
	PRIMARY KEY (hash)
);
CREATE TABLE stripe_transactions (
	organization_id TEXT NOT NULL,
	id TEXT NOT NULL,
	connection_id TEXT NOT NULL,
	purchase_id TEXT,
	authorization_id TEXT,
	stripe_card_id TEXT NOT NULL,
	type TEXT NOT NULL,
	amount BIGINT NOT NULL,
	currency TEXT NOT NULL,
	merchant_amount BIGINT NOT NULL,
	merchant_currency TEXT NOT NULL,
	merchant TEXT NOT NULL,
	network_transaction_id TEXT,
	created_at BIGINT NOT NULL,
	booked_at BIGINT NOT NULL, matched_by TEXT,
	PRIMARY KEY (organization_id, id)
);
CREATE TABLE users (
	organization_id TEXT NOT NULL,
	id TEXT NOT NULL,
	name TEXT NOT NULL,
	email TEXT NOT NULL,
	role TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	disabled_at BIGINT,
	PRIMARY KEY (organization_id, id)
);
CREATE TABLE velocities (
	organization_id TEXT NOT NULL,
	agent_id TEXT NOT NULL,
	hour BIGINT NOT NULL,
	purchases BIGINT NOT NULL,
	amount BIGINT NOT NULL,
	PRIMARY KEY (organization_id, agent_id, hour)
);
CREATE TABLE webhook_endpoints (
	organization_id TEXT NOT NULL,
	id TEXT NOT NULL,
	url TEXT NOT NULL,
	description TEXT NOT NULL,
	types TEXT NOT NULL,
	status TEXT NOT NULL,
	reason TEXT,
	since BIGINT NOT NULL,
	sealed TEXT NOT NULL,
	sealed_before TEXT NOT NULL,
	before_until BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	PRIMARY KEY (organization_id, id)
);
CREATE INDEX access_keys_by_id ON access_keys (organization_id, id);
CREATE INDEX access_keys_by_user ON access_keys (organization_id, user_id);
CREATE INDEX alerts_by_time ON alerts (organization_id, created_at);
CREATE INDEX approvals_by_purchase ON approvals (organization_id, purchase_id);
CREATE INDEX approvals_pending ON approvals (expires_at) WHERE status = 'pending';
CREATE INDEX authorizations_by_purchase ON authorizations (organization_id, purchase_id);
CREATE INDEX authorizations_by_time ON authorizations (organization_id, created_at);
CREATE INDEX authorizations_open ON authorizations (organization_id, connection_id, id) WHERE status = 'pending' OR (status = 'closed' AND captured = 0);
CREATE UNIQUE INDEX budgets_by_scope ON budgets (organization_id, scope_id, currency, period);
CREATE INDEX cards_by_purchase ON cards (organization_id, purchase_id);
CREATE UNIQUE INDEX cards_by_stripe_id ON cards (organization_id, connection_id, stripe_card_id);
CREATE INDEX cards_to_expire ON cards (expires_at) WHERE status IN ('active', 'frozen');
CREATE INDEX discrepancies_by_time ON discrepancies (organization_id, created_at);
CREATE INDEX disputes_by_time ON disputes (organization_id, created_at);
CREATE INDEX disputes_by_transaction ON disputes (organization_id, stripe_transaction_id);
CREATE INDEX holds_by_purchase ON holds (organization_id, purchase_id);
CREATE INDEX inbox_by_time ON inbox (organization_id, received_at);
CREATE INDEX inbox_due ON inbox (due_at) WHERE status IN ('received', 'failed');
CREATE INDEX notice_deliveries_by_target ON notice_deliveries (organization_id, target_id, created_at);
CREATE INDEX notice_deliveries_by_time ON notice_deliveries (organization_id, created_at);
CREATE INDEX notice_deliveries_due ON notice_deliveries (organization_id, target_id, due_at, sequence, place) WHERE status = 'pending';
CREATE INDEX outbox_due ON outbox (due_at) WHERE status = 'promised';
CREATE INDEX purchases_by_agent ON purchases (organization_id, agent_id, created_at);
CREATE INDEX purchases_by_time ON purchases (organization_id, created_at);
CREATE INDEX receipts_by_purchase ON receipts (organization_id, purchase_id);
CREATE INDEX receipts_by_time ON receipts (organization_id, created_at);
CREATE INDEX reconciliations_by_connection ON reconciliations (organization_id, connection_id, created_at);
CREATE INDEX reconciliations_by_time ON reconciliations (organization_id, created_at);
CREATE INDEX stripe_transactions_by_card ON stripe_transactions (organization_id, stripe_card_id);
CREATE INDEX stripe_transactions_by_network_id ON stripe_transactions (organization_id, network_transaction_id);
CREATE INDEX stripe_transactions_by_purchase ON stripe_transactions (organization_id, purchase_id);
CREATE INDEX stripe_transactions_by_time ON stripe_transactions (organization_id, created_at);
CREATE UNIQUE INDEX users_by_email ON users (organization_id, email);
INSERT INTO access_keys VALUES('35f34b2bada4f3d0ad486fb31637c1cacdb06ef7a84845f12fda973b566693c5','key_bkccconmjmnkgniaklggnkdjgnd','org_bkccconmjlkhfljgkglhmbgdkek','admin',NULL,NULL,'demo','roony_admin_fcc1',1795882338774272,NULL,'','',NULL,NULL,1795882339278548,NULL);
INSERT INTO access_keys VALUES('51bb4a08d2c05f51d15b1817567e79e2813b3174007eec50f757df2adca169f8','key_bkccconmjpipcmpofoofkcleelh','org_bkccconmjlkhfljgkglhmbgdkek','agent','agt_bkccconmjpinmipmjckjkdllpgh',NULL,'demo','roony_agent_c724',1795882338808742,NULL,'','',NULL,NULL,NULL,NULL);
INSERT INTO access_keys VALUES('908146daf88c7e6dd846e8b1b8b093e452a0944688bf6d4d734a23204a54379a','key_bkccconmpibialhicbfnljdhgcp','org_bkccconmjlkhfljgkglhmbgdkek','agent','agt_bkccconmpiblbgakkehojhlgpca',NULL,'Buyer','roony_agent_cf14',1795882340226824,NULL,'','',NULL,NULL,1795882340768304,NULL);
INSERT INTO access_keys VALUES('5d530d5bd72766ded7ee2a99eccd182e2910038f23b10e1773eea7750003f3dd','key_bkccconnakcdgnjgdjddncphbfp','org_bkccconmjlkhfljgkglhmbgdkek','agent','agt_bkccconnakcejlanpbomagjaclg',NULL,'Stopped','roony_agent_b820',1795882340515222,NULL,'','',NULL,NULL,1795882341900462,NULL);
INSERT INTO account_routes VALUES('acct_Xsp5RqpyB1RUlPiB',0,'org_bkccconmjlkhfljgkglhmbgdkek','con_bkccconmlooncffjimnlfggjajj');
INSERT INTO agents VALUES('org_bkccconmjlkhfljgkglhmbgdkek','agt_bkccconmjpinmipmjckjkdllpgh','prj_bkccconmjlkcmbjoigklgfjldbl','["prj_bkccconmjlkcmbjoigklgfjldbl"]','demo agent','Buys software in the US.',NULL,NULL,1795882338808742);
INSERT INTO agents VALUES('org_bkccconmjlkhfljgkglhmbgdkek','agt_bkccconmpiblbgakkehojhlgpca','prj_bkccconmpdjopjaffhjhmfcpgjg','["prj_bkccconmpdjopjaffhjhmfcpgjg"]','Buyer','buys',NULL,NULL,1795882340226824);
INSERT INTO agents VALUES('org_bkccconmjlkhfljgkglhmbgdkek','agt_bkccconnakcejlanpbomagjaclg','prj_bkccconmpngojhejompafibfjga','["prj_bkccconmpngojhejompafibfjga"]','Stopped','',1795882342966268,NULL,1795882340515222);
INSERT INTO alembic_version VALUES('0005');
INSERT INTO alerts VALUES('made up','made up','made up','made up','made up','made up',1,'made up',1,1,1);
INSERT INTO app_tokens VALUES('made up','made up',1,1,1,'made up',1,1,1,1,1);
INSERT INTO approvals VALUES('org_bkccconmjlkhfljgkglhmbgdkek','apr_bkccconnibojlikdjjmabmlekni','pur_bkccconnibodokjdmohmkadcdff','pending','{"amount": 200000, "previous_amount": null, "currency": "usd", "hold_amount": 200000, "kind": "one_time", "interval": null, "payments": 1, "agent": "Buyer", "agent_id": "agt_bkccconmpiblbgakkehojhlgpca", "project": "Buyers", "project_id": "prj_bkccconmpdjopjaffhjhmfcpgjg", "task_id": null, "merchant": {"name": "Adobe", "category": "5734", "country": "US"}, "history": {"new": true, "purchases": 0, "first_at": null, "last_at": null, "last_amount": null, "last_currency": null}, "reasons": [{"code": "APPROVAL_OVER_THRESHOLD", "message": "2,000.00 USD is over 1,000.00 USD: above that a person decides for this agent.", "scope": "agent"}], "budgets": [{"scope": "agent", "scope_id": "agt_bkccconmpiblbgakkehojhlgpca", "period": "month", "limit": 500000, "available_after": 287100}], "second_approval_threshold": null, "untrusted": {"description": "1 month", "metadata": {}}}',1795884142430880,NULL,NULL,'',1795882342430880,'purchase',NULL,NULL,NULL,NULL);
INSERT INTO audit_records VALUES('org_bkccconmjlkhfljgkglhmbgdkek',1,'aud_f3be7b2a3b674df0d5069d04',1795882338747005,'demo','organization.created','org_bkccconmjlkhfljgkglhmbgdkek','{"admin_key":null,"budgets":[],"cardholder":null,"controls":{},"currency":"usd","delivery":"raw","low_balance_amount":0,"name":"Demo Company","project":"prj_bkccconmjlkcmbjoigklgfjldbl","time_zone":"UTC","unbudgeted":false,"unknown_cards":"decline"}','0000000000000000000000000000000000000000000000000000000000000000','f3be7b2a3b674df0d5069d04bf2a04f2cbb32ab7d3f19d3ca49c798f0585a690');
INSERT INTO audit_records VALUES('org_bkccconmjlkhfljgkglhmbgdkek',2,'aud_b49a145f3d371c056793d54a',1795882338774272,'demo','access_key.created','key_bkccconmjmnkgniaklggnkdjgnd','{"agent":null,"allowed_addresses":[],"expires_at":null,"kind":"admin","name":"demo","prefix":"roony_admin_fcc1","requests_per_minute":null,"scopes":[],"user":null}','f3be7b2a3b674df0d5069d04bf2a04f2cbb32ab7d3f19d3ca49c798f0585a690','b49a145f3d371c056793d54a9b4fdbe555c15bc209acd5073356749f1cb3d3d1');
INSERT INTO audit_records VALUES('org_bkccconmjlkhfljgkglhmbgdkek',3,'aud_7b2d662a888f171d5f4de9e9',1795882338808742,'demo','agent.created','agt_bkccconmjpinmipmjckjkdllpgh','{"budgets":[["month","usd",500000]],"controls":{"allowed_categories":["software"],"allowed_countries":["US"],"purchase_limit":50000,"tolerance_amount":0},"key":{"agent":"agt_bkccconmjpinmipmjckjkdllpgh","allowed_addresses":[],"expires_at":null,"id":"key_bkccconmjpipcmpofoofkcleelh","kind":"agent","name":"demo","prefix":"roony_agent_c724","requests_per_minute":null,"scopes":[],"user":null},"name":"demo agent","project":"prj_bkccconmjlkcmbjoigklgfjldbl","projects":["prj_bkccconmjlkcmbjoigklgfjldbl"]}','b49a145f3d371c056793d54a9b4fdbe555c15bc209acd5073356749f1cb3d3d1','7b2d662a888f171d5f4de9e9a349d34d9fe12153add5d355c94cc8cf140e7939');
INSERT INTO audit_records VALUES('org_bkccconmjlkhfljgkglhmbgdkek',4,'aud_9d86355be081821948a78cf8',1795882339311461,'key_bkccconmjmnkgniaklggnkdjgnd','connection.started','con_bkccconmlooncffjimnlfggjajj','{"kind":"connect"}','7b2d662a888f171d5f4de9e9a349d34d9fe12153add5d355c94cc8cf140e7939','9d86355be081821948a78cf8f6f6287710c3b5ddc1c5bfa8b161e7898f492808');
INSERT INTO audit_records VALUES('org_bkccconmjlkhfljgkglhmbgdkek',5,'aud_ba8419b86b5ea96f355ece72',1795882339879637,'owner','connection.activated','con_bkccconmlooncffjimnlfggjajj','{"currency":"usd","default":true,"kind":"connect","livemode":false,"resumed":false,"scope":"read_write","stripe_account":"acct_Xsp5RqpyB1RUlPiB"}','9d86355be081821948a78cf8f6f6287710c3b5ddc1c5bfa8b161e7898f492808','ba8419b86b5ea96f355ece722792aaf4f29c8624247d66839df9cd56d5c10dce');
INSERT INTO audit_records VALUES('org_bkccconmjlkhfljgkglhmbgdkek',6,'aud_53e96b97231a2a5c3842578b',1795882340001544,'roony','connection.preflight','con_bkccconmlooncffjimnlfggjajj','{"cardholder":"warning","issuing_balance":"ok","issuing_capability":"ok","livemode":"ok","other_cards":"ok","public_url":"warning","realtime_event":"ok","realtime_url":"unknown","stripe_access":"ok","timeout_declines":"unknown","webhook_endpoint":"ok","webhook_events":"ok","webhook_version":"warning"}','ba8419b86b5ea96f355ece722792aaf4f29c8624247d66839df9cd56d5c10dce','53e96b97231a2a5c3842578b98530b2c82ff910c210f3a46f5838df0ce76073f');
INSERT INTO audit_records VALUES('org_bkccconmjlkhfljgkglhmbgdkek',7,'aud_deabcbe8db8c3ff5d199dcaa',1795882340078200,'roony','connection.cardholder_made','con_bkccconmlooncffjimnlfggjajj','{"scope":"organization","scope_id":"org_bkccconmjlkhfljgkglhmbgdkek","stripe_cardholder":"ich_oJq2FZ8bFCBWnbdxkAchedO4"}','53e96b97231a2a5c3842578b98530b2c82ff910c210f3a46f5838df0ce76073f','deabcbe8db8c3ff5d199dcaaee785b62423c6a0f5f0b88a0e67c6454b40899c5');
INSERT INTO audit_records VALUES('org_bkccconmjlkhfljgkglhmbgdkek',8,'aud_fac7aefe1c332338d68e03e0',1795882340078200,'roony','cardholder.stated','ich_oJq2FZ8bFCBWnbdxkAchedO4','{"disabled_reason":null,"past_due":[],"status":"active"}','deabcbe8db8c3ff5d199dcaaee785b62423c6a0f5f0b88a0e67c6454b40899c5','fac7aefe1c332338d68e03e0f4490a3cda6ec5a0a0cec8d1c75795af1865491e');
INSERT INTO audit_records VALUES('org_bkccconmjlkhfljgkglhmbgdkek',9,'aud_4e14f238a44e244626bf0034',1795882340154092,'key_bkccconmjmnkgniaklggnkdjgnd','project.created','prj_bkccconmpdjopjaffhjhmfcpgjg','{"budgets":[],"controls":{},"name":"Buyers"}','fac7aefe1c332338d68e03e0f4490a3cda6ec5a0a0cec8d1c75795af1865491e','4e14f238a44e244626bf0034071db05e5239bbc8896aefa13aa337a56d5a786c');
INSERT INTO audit_records VALUES('org_bkccconmjlkhfljgkglhmbgdkek',10,'aud_f9a93c499e054dbe915fa1ec',1795882340226824,'key_bkccconmjmnkgniaklggnkdjgnd','agent.created','agt_bkccconmpiblbgakkehojhlgpca','{"budgets":[["month","usd",500000]],"controls":{"approval_threshold":100000},"key":{"agent":"agt_bkccconmpiblbgakkehojhlgpca","allowed_addresses":[],"expires_at":null,"id":"key_bkccconmpibialhicbfnljdhgcp","kind":"agent","name":"Buyer","prefix":"roony_agent_cf14","requests_per_minute":null,"scopes":[],"user":null},"name":"Buyer","project":"prj_bkccconmpdjopjaffhjhmfcpgjg","projects":["prj_bkccconmpdjopjaffhjhmfcpgjg"]}','4e14f238a44e244626bf0034071db05e5239bbc8896aefa13aa337a56d5a786c','f9a93c499e054dbe915fa1ec26d7af676d2abfc9ff176c8c9c2e191d141c7417');
INSERT INTO audit_records VALUES('org_bkccconmjlkhfljgkglhmbgdkek',11,'aud_8b7f7a855fd0608c02aefe2a',1795882340314132,'key_bkccconmjmnkgniaklggnkdjgnd','project.created','prj_bkccconmpngojhejompafibfjga','{"budgets":[],"controls":{},"name":"Stoppeds"}','f9a93c499e054dbe915fa1ec26d7af676d2abfc9ff176c8c9c2e191d141c7417','8b7f7a855fd0608c02aefe2af9c4d2608071d66ce2e536cf475c94b08ef7a9f6');
INSERT INTO audit_records VALUES('org_bkccconmjlkhfljgkglhmbgdkek',12,'aud_e625edae62725fd22a24a977',1795882340515222,'key_bkccconmjmnkgniaklggnkdjgnd','agent.created','agt_bkccconnakcejlanpbomagjaclg','{"budgets":[["month","usd",500000]],"controls":{"approval_threshold":100000},"key":{"agent":"agt_bkccconnakcejlanpbomagjaclg","allowed_addresses":[],"expires_at":null,"id":"key_bkccconnakcdgnjgdjddncphbfp","kind":"agent","name":"Stopped","prefix":"roony_agent_b820","requests_per_minute":null,"scopes":[],"user":null},"name":"Stopped","project":"prj_bkccconmpngojhejompafibfjga","projects":["prj_bkccconmpngojhejompafibfjga"]}','8b7f7a855fd0608c02aefe2af9c4d2608071d66ce2e536cf475c94b08ef7a9f6','e625edae62725fd22a24a977cf69a219a9d0ba6759a95361fa32627ef2e0b73e');
INSERT INTO audit_records VALUES('org_bkccconmjlkhfljgkglhmbgdkek',13,'aud_5b313957eb175cb703b5711b',1795882340778738,'agt_bkccconmpiblbgakkehojhlgpca','purchase.asked','pur_bkccconnbkkomoljekpckljhaeb','{"agent":"agt_bkccconmpiblbgakkehojhlgpca","amount":4900,"approval":null,"currency":"usd","held":4900,"hold":4900,"merchant":"Linear","reasons":[],"spent":0,"status":"issuing","statuses":[{"agent":"agt_bkccconmpiblbgakkehojhlgpca","amount":4900,"captured":0,"currency":"usd","purchase":"pur_bkccconnbkkomoljekpckljhaeb","refunded":0,"status":"issuing","was":null}],"verdict":"approved"}','e625edae62725fd22a24a977cf69a219a9d0ba6759a95361fa32627ef2e0b73e','5b313957eb175cb703b5711b74881d09f727eff5ce579ad0d9216066e69d96f0');
INSERT INTO audit_records VALUES('org_bkccconmjlkhfljgkglhmbgdkek',14,'aud_ee256f02a9b5b3fda193a0ab',1795882340920414,'roony','card.made','pur_bkccconnbkkomoljekpckljhaeb','{"agent":"agt_bkccconmpiblbgakkehojhlgpca","card":"crd_bkccconnbkkjblneljnfeheemij","held":4900,"last4":"6752","spent":0,"status":"ready","statuses":[{"agent":"agt_bkccconmpiblbgakkehojhlgpca","amount":4900,"captured":0,"currency":"usd","purchase":"pur_bkccconnbkkomoljekpckljhaeb","refunded":0,"status":"ready","was":"issuing"}],"stripe_card":"ic_9tJuUAcoP5y2cN8HZ66kESsL"}','5b313957eb175cb703b5711b74881d09f727eff5ce579ad0d9216066e69d96f0','ee256f02a9b5b3fda193a0abd458846d831f8ce002b8c9d97a672a49cae495b3');
INSERT INTO audit_records VALUES('org_bkccconmjlkhfljgkglhmbgdkek',15,'aud_de45afcfcbfb8371e87df133',1795882340923879,'agt_bkccconmpiblbgakkehojhlgpca','card.delivered','pur_bkccconnbkkomoljekpckljhaeb','{"agent":"agt_bkccconmpiblbgakkehojhlgpca","card":"crd_bkccconnbkkjblneljnfeheemij","count":1,"delivery":"raw","held":4900,"purpose":"asked","spent":0,"status":"ready"}','ee256f02a9b5b3fda193a0abd458846d831f8ce002b8c9d97a672a49cae495b3','de45afcfcbfb8371e87df13343cc082f3b8b9ee509bb4ecc310573519b461e98');
INSERT INTO audit_records VALUES('org_bkccconmjlkhfljgkglhmbgdkek',16,'aud_a19d7a074a1a2efdc47dfd69',1795882341163462,'agt_bkccconmpiblbgakkehojhlgpca','purchase.asked','pur_bkccconndcliicocepphfhpilcd','{"agent":"agt_bkccconmpiblbgakkehojhlgpca","amount":5000,"approval":null,"currency":"usd","held":5000,"hold":5000,"merchant":"Figma","reasons":[],"spent":0,"status":"issuing","statuses":[{"agent":"agt_bkccconmpiblbgakkehojhlgpca","amount":5000,"captured":0,"currency":"usd","purchase":"pur_bkccconndcliicocepphfhpilcd","refunded":0,"status":"issuing","was":null}],"verdict":"approved"}','de45afcfcbfb8371e87df13343cc082f3b8b9ee509bb4ecc310573519b461e98','a19d7a074a1a2efdc47dfd69038cbb0fb6426f51fda3dab33805f1ca16f358af');
INSERT INTO audit_records VALUES('org_bkccconmjlkhfljgkglhmbgdkek',17,'aud_ae1449aaead51f1230d17bab',1795882341203193,'roony','card.made','pur_bkccconndcliicocepphfhpilcd','{"agent":"agt_bkccconmpiblbgakkehojhlgpca","card":"crd_bkccconndcldnogfdgapfnhbbmk","held":5000,"last4":"5496","spent":0,"status":"ready","statuses":[{"agent":"agt_bkccconmpiblbgakkehojhlgpca","amount":5000,"captured":0,"currency":"usd","purchase":"pur_bkccconndcliicocepphfhpilcd","refunded":0,"status":"ready","was":"issuing"}],"stripe_card":"ic_tYuxHtHstg68IqTNTUYqnS2A"}','a19d7a074a1a2efdc47dfd69038cbb0fb6426f51fda3dab33805f1ca16f358af','ae1449aaead51f1230d17bab6244a8dfe70c23b95b81174e09509a43e82f098d');
INSERT INTO audit_records VALUES('org_bkccconmjlkhfljgkglhmbgdkek',18,'aud_3ec19c844dbd781f5684cabf',1795882341222855,'agt_bkccconmpiblbgakkehojhlgpca','card.delivered','pur_bkccconndcliicocepphfhpilcd','{"agent":"agt_bkccconmpiblbgakkehojhlgpca","card":"crd_bkccconndcldnogfdgapfnhbbmk","count":1,"delivery":"raw","held":5000,"purpose":"asked","spent":0,"status":"ready"}','ae1449aaead51f1230d17bab6244a8dfe70c23b95b81174e09509a43e82f098d','3ec19c844dbd781f5684cabf7b76910e1521822dddfe10242ddd917165532e37');
INSERT INTO audit_records VALUES('org_bkccconmjlkhfljgkglhmbgdkek',19,'aud_56c333ddf0917449ce63df7e',1795882341339939,'roony','authorization.answered','iauth_oXtMDyUoAsqPWvqAGOa1rHp6','{"agent":"agt_bkccconmpiblbgakkehojhlgpca","amount":5000,"approved":1,"approved_amount":5000,"category":"5734","code":"APPROVED","country":"US","currency":"usd","decision":"dec_bkccconndnlgcjknndgnedaooad","held":5000,"merchant":"FIGMA","network_id":"3634407573","ordinal":0,"purchase":"pur_bkccconndcliicocepphfhpilcd","statuses":[{"agent":"agt_bkccconmpiblbgakkehojhlgpca","amount":5000,"captured":0,"currency":"usd","purchase":"pur_bkccconndcliicocepphfhpilcd","refunded":0,"status":"authorized","was":"ready"}]}','3ec19c844dbd781f5684cabf7b76910e1521822dddfe10242ddd917165532e37','56c333ddf0917449ce63df7e3382083004b0e53c64c617a74036948b5095eeca');
INSERT INTO audit_records VALUES('org_bkccconmjlkhfljgkglhmbgdkek',20,'aud_3b76e50af448843034e29229',1795882341363207,'stripe','merchant.network_id_pinned','figma','{"after":["3634407573"],"authorization":"iauth_oXtMDyUoAsqPWvqAGOa1rHp6","before":[],"descriptor":"FIGMA","purchase":"pur_bkccconndcliicocepphfhpilcd"}','56c333ddf0917449ce63df7e3382083004b0e53c64c617a74036948b5095eeca','3b76e50af448843034e2922957159dc2f474eff364da6c62e223885cff256120');
INSERT INTO audit_records VALUES('org_bkccconmjlkhfljgkglhmbgdkek',21,'aud_cf823e75c216739091607445',1795882341363207,'stripe','authorization.stated','pur_bkccconndcliicocepphfhpilcd','{"agent":"agt_bkccconmpiblbgakkehojhlgpca","amount":5000,"approved":true,"authorization":"iauth_oXtMDyUoAsqPWvqAGOa1rHp6","captured":0,"currency":"usd","event":"evt_7sgWMkP2tzAP6PI2f6Xd4eEp","first":false,"held":5000,"merchant":"FIGMA","spent":0,"status":"authorized","stripe_status":"pending"}','3b76e50af448843034e2922957159dc2f474eff364da6c62e223885cff256120','cf823e75c216739091607445282cf58f4263ce965d073a7828ae85de1c4ae2b8');
INSERT INTO audit_records VALUES('org_bkccconmjlkhfljgkglhmbgdkek',22,'aud_9bc92941a033fb5bd5d61168',1795882341363207,'roony','card.status_at_stripe','crd_bkccconndcldnogfdgapfnhbbmk','{"stripe_status":"canceled"}','cf823e75c216739091607445282cf58f4263ce965d073a7828ae85de1c4ae2b8','9bc92941a033fb5bd5d61168559ea81b43b966e0fee10fd07c05e335c7b4d8ec');
INSERT INTO audit_records VALUES('org_bkccconmjlkhfljgkglhmbgdkek',23,'aud_dbcef0ff01811a90db937db9',1795882341396092,'agt_bkccconmpiblbgakkehojhlgpca','purchase.asked','pur_bkccconnebdnhocokekpeojepbl','{"agent":"agt_bkccconmpiblbgakkehojhlgpca","amount":3000,"approval":null,"currency":"usd","held":3000,"hold":3000,"merchant":"Notion","reasons":[],"spent":0,"status":"issuing","statuses":[{"agent":"agt_bkccconmpiblbgakkehojhlgpca","amount":3000,"captured":0,"currency":"usd","purchase":"pur_bkccconnebdnhocokekpeojepbl","refunded":0,"status":"issuing","was":null}],"verdict":"approved"}','9bc92941a033fb5bd5d61168559ea81b43b966e0fee10fd07c05e335c7b4d8ec','dbcef0ff01811a90db937db9831e8a27015a2b0d2b18e977c80b54110159f4fe');
INSERT INTO audit_records VALUES('org_bkccconmjlkhfljgkglhmbgdkek',24,'aud_93691f10f63b0dcc361d0041',1795882341450326,'roony','card.made','pur_bkccconnebdnhocokekpeojepbl','{"agent":"agt_bkccconmpiblbgakkehojhlgpca","card":"crd_bkccconnebdfmldgnaljdhdfkmg","held":3000,"last4":"6098","spent":0,"status":"ready","statuses":[{"agent":"agt_bkccconmpiblbgakkehojhlgpca","amount":3000,"captured":0,"currency":"usd","purchase":"pur_bkccconnebdnhocokekpeojepbl","refunded":0,"status":"ready","was":"issuing"}],"stripe_card":"ic_QUnbg86p44nIkNe6bvChaThX"}','dbcef0ff01811a90db937db9831e8a27015a2b0d2b18e977c80b54110159f4fe','93691f10f63b0dcc361d0041b85c3363853617b3fb00a6d5afda834e264cf8d1');
INSERT INTO audit_records VALUES('org_bkccconmjlkhfljgkglhmbgdkek',25,'aud_6fdaf8501aefb9c98bfed8a0',1795882341454901,'agt_bkccconmpiblbgakkehojhlgpca','card.delivered','pur_bkccconnebdnhocokekpeojepbl','{"agent":"agt_bkccconmpiblbgakkehojhlgpca","card":"crd_bkccconnebdfmldgnaljdhdfkmg","count":1,"delivery":"raw","held":3000,"purpose":"asked","spent":0,"status":"ready"}','93691f10f63b0dcc361d0041b85c3363853617b3fb00a6d5afda834e264cf8d1','6fdaf8501aefb9c98bfed8a04934ad659dba61bae5d12709e9d481cbec83eb61');
INSERT INTO audit_records VALUES('org_bkccconmjlkhfljgkglhmbgdkek',26,'aud_1133bdbbb913b69661582fdb',1795882341795519,'roony','authorization.answered','iauth_FjVCzaXenlyjAt6X7n5CLmPa','{"agent":"agt_bkccconmpiblbgakkehojhlgpca","amount":3000,"approved":1,"approved_amount":3000,"category":"5734","code":"APPROVED","country":"US","currency":"usd","decision":"dec_bkccconnfkdnijbfiekdpaocnpg","held":3000,"merchant":"NOTION","network_id":"5964677161","ordinal":0,"purchase":"pur_bkccconnebdnhocokekpeojepbl","statuses":[{"agent":"agt_bkccconmpiblbgakkehojhlgpca","amount":3000,"captured":0,"currency":"usd","purchase":"pur_bkccconnebdnhocokekpeojepbl","refunded":0,"status":"authorized","was":"ready"}]}','6fdaf8501aefb9c98bfed8a04934ad659dba61bae5d12709e9d481cbec83eb61','1133bdbbb913b69661582fdb96e7431af0a15b1d72b6fe924bb8c005b7be5e2f');
INSERT INTO audit_records VALUES('org_bkccconmjlkhfljgkglhmbgdkek',27,'aud_e72dfd7ab24a504f0ae506fb',1795882341888765,'stripe','merchant.network_id_pinned','notion','{"after":["5964677161"],"authorization":"iauth_FjVCzaXenlyjAt6X7n5CLmPa","before":[],"descriptor":"NOTION","purchase":"pur_bkccconnebdnhocokekpeojepbl"}','1133bdbbb913b69661582fdb96e7431af0a15b1d72b6fe924bb8c005b7be5e2f','e72dfd7ab24a504f0ae506fb65e0c051025c23957c1fd4124553704f5e2e628d');
INSERT INTO audit_records VALUES('org_bkccconmjlkhfljgkglhmbgdkek',28,'aud_ffb3b2b138b35bcd9d4d2f83',1795882341888765,'stripe','authorization.stated','pur_bkccconnebdnhocokekpeojepbl','{"agent":"agt_bkccconmpiblbgakkehojhlgpca","amount":3000,"approved":true,"authorization":"iauth_FjVCzaXenlyjAt6X7n5CLmPa","captured":0,"currency":"usd","event":"evt_hcKrRTjd2W97sPjKScIpsHSo","first":false,"held":3000,"merchant":"NOTION","spent":0,"status":"authorized","stripe_status":"pending"}','e72dfd7ab24a504f0ae506fb65e0c051025c23957c1fd4124553704f5e2e628d','ffb3b2b138b35bcd9d4d2f83cc9c55988dad7e4baace029ad0a8c786d68f04e2');
INSERT INTO audit_records VALUES('org_bkccconmjlkhfljgkglhmbgdkek',29,'aud_3c120b4da72069ca9e543cb7',1795882341888765,'roony','card.status_at_stripe','crd_bkccconnebdfmldgnaljdhdfkmg','{"stripe_status":"canceled"}','ffb3b2b138b35bcd9d4d2f83cc9c55988dad7e4baace029ad0a8c786d68f04e2','3c120b4da72069ca9e543cb7592566c099badce25f0c5b2329360c0942adc13d');
INSERT INTO audit_records VALUES('org_bkccconmjlkhfljgkglhmbgdkek',30,'aud_86b3c93f6244ca2ef34e85f1',1795882341888765,'stripe','stripe_transaction.capture','ipi_dFKue7q3U8PUeoEmDFbuzK1L','{"amount":3000,"authorization":"iauth_FjVCzaXenlyjAt6X7n5CLmPa","merchant":"NOTION","purchase":"pur_bkccconnebdnhocokekpeojepbl","stripe_transaction":"ipi_dFKue7q3U8PUeoEmDFbuzK1L","type":"capture"}','3c120b4da72069ca9e543cb7592566c099badce25f0c5b2329360c0942adc13d','86b3c93f6244ca2ef34e85f121be1c660d6d58f64396cd7e41d70f845c05d8d4');
INSERT INTO audit_records VALUES('org_bkccconmjlkhfljgkglhmbgdkek',31,'aud_b819784c36fa76af6fac08d4',1795882341888765,'stripe','purchase.booked','pur_bkccconnebdnhocokekpeojepbl','{"agent":"agt_bkccconmpiblbgakkehojhlgpca","captured":3000,"held":0,"refunded":0,"spent":3000,"status":"settled"}','86b3c93f6244ca2ef34e85f121be1c660d6d58f64396cd7e41d70f845c05d8d4','b819784c36fa76af6fac08d49caff4fe3a7a1ebf533d9515c243e0c46e1e14b9');
INSERT INTO audit_records VALUES('org_bkccconmjlkhfljgkglhmbgdkek',32,'aud_b88f9aa47752cfe820bc985f',1795882341888765,'stripe','authorization.stated','pur_bkccconnebdnhocokekpeojepbl','{"agent":"agt_bkccconmpiblbgakkehojhlgpca","amount":3000,"approved":true,"authorization":"iauth_FjVCzaXenlyjAt6X7n5CLmPa","captured":3000,"currency":"usd","event":"evt_Q4HMq35rfCEEAPbuhJIt6sf3","first":false,"held":0,"merchant":"NOTION","spent":3000,"status":"settled","statuses":[{"agent":"agt_bkccconmpiblbgakkehojhlgpca","amount":3000,"captured":3000,"currency":"usd","purchase":"pur_bkccconnebdnhocokekpeojepbl","refunded":0,"status":"settled","was":"authorized"}],"stripe_status":"closed"}','b819784c36fa76af6fac08d49caff4fe3a7a1ebf533d9515c243e0c46e1e14b9','b88f9aa47752cfe820bc985fb4f6e9be26e62128de1207d2d610db13d3ebd9a5');
INSERT INTO audit_records VALUES('org_bkccconmjlkhfljgkglhmbgdkek',33,'aud_36ea313ba8787e0fcbf16455',1795882341906466,'agt_bkccconnakcejlanpbomagjaclg','purchase.asked','pur_bkccconngamjoneojlolimcbegl','{"agent":"agt_bkccconnakcejlanpbomagjaclg","amount":2000,"approval":null,"currency":"usd","held":2000,"hold":2000,"merchant":"GitHub","reasons":[],"spent":0,"status":"issuing","statuses":[{"agent":"agt_bkccconnakcejlanpbomagjaclg","amount":2000,"captured":0,"currency":"usd","purchase":"pur_bkccconngamjoneojlolimcbegl","refunded":0,"status":"issuing","was":null}],"verdict":"approved"}','b88f9aa47752cfe820bc985fb4f6e9be26e62128de1207d2d610db13d3ebd9a5','36ea313ba8787e0fcbf164555c45692f0a3280646e61e16b5ba94ec3a22bf3d8');
INSERT INTO audit_records VALUES('org_bkccconmjlkhfljgkglhmbgdkek',34,'aud_2efa20cf6853eb65347a2f4a',1795882341927469,'roony','card.made','pur_bkccconngamjoneojlolimcbegl','{"agent":"agt_bkccconnakcejlanpbomagjaclg","card":"crd_bkccconngankoifglkkamnapelk","held":2000,"last4":"6979","spent":0,"status":"ready","statuses":[{"agent":"agt_bkccconnakcejlanpbomagjaclg","amount":2000,"captured":0,"currency":"usd","purchase":"pur_bkccconngamjoneojlolimcbegl","refunded":0,"status":"ready","was":"issuing"}],"stripe_card":"ic_e5owRO9ygmcRDrX8BwhUR8jL"}','36ea313ba8787e0fcbf164555c45692f0a3280646e61e16b5ba94ec3a22bf3d8','2efa20cf6853eb65347a2f4a813741182c9b184c51c56637ddc6d72375b4cabc');
INSERT INTO audit_records VALUES('org_bkccconmjlkhfljgkglhmbgdkek',35,'aud_ff613f33d2cbaa92b6693186',1795882341944572,'agt_bkccconnakcejlanpbomagjaclg','card.delivered','pur_bkccconngamjoneojlolimcbegl','{"agent":"agt_bkccconnakcejlanpbomagjaclg","card":"crd_bkccconngankoifglkkamnapelk","count":1,"delivery":"raw","held":2000,"purpose":"asked","spent":0,"status":"ready"}','2efa20cf6853eb65347a2f4a813741182c9b184c51c56637ddc6d72375b4cabc','ff613f33d2cbaa92b669318663ef569495da15d6f6c529d9d80b2857b6442fa1');
INSERT INTO audit_records VALUES('org_bkccconmjlkhfljgkglhmbgdkek',36,'aud_26ce8d90d4310da139660761',1795882342183130,'roony','authorization.answered','iauth_Lwq2wyBC5fpuNqMWE98URlGz','{"agent":"agt_bkccconnakcejlanpbomagjaclg","amount":2000,"approved":1,"approved_amount":2000,"category":"5734","code":"APPROVED","country":"US","currency":"usd","decision":"dec_bkccconnhcfhjdfepmekpaelnho","held":2000,"merchant":"GITHUB","network_id":"8142800778","ordinal":0,"purchase":"pur_bkccconngamjoneojlolimcbegl","statuses":[{"agent":"agt_bkccconnakcejlanpbomagjaclg","amount":2000,"captured":0,"currency":"usd","purchase":"pur_bkccconngamjoneojlolimcbegl","refunded":0,"status":"authorized","was":"ready"}]}','ff613f33d2cbaa92b669318663ef569495da15d6f6c529d9d80b2857b6442fa1','26ce8d90d4310da139660761bb137d802fe31b34b654869deba6893b01037d36');
INSERT INTO audit_records VALUES('org_bkccconmjlkhfljgkglhmbgdkek',37,'aud_1cc49fa63fd584497fc64882',1795882342265999,'stripe','merchant.network_id_pinned','github','{"after":["8142800778"],"authorization":"iauth_Lwq2wyBC5fpuNqMWE98URlGz","before":[],"descriptor":"GITHUB","purchase":"pur_bkccconngamjoneojlolimcbegl"}','26ce8d90d4310da139660761bb137d802fe31b34b654869deba6893b01037d36','1cc49fa63fd584497fc648827bc78f1c370c828c0282b30736e265edaafb24fc');
INSERT INTO audit_records VALUES('org_bkccconmjlkhfljgkglhmbgdkek',38,'aud_d095f524d505d76cd226242f',1795882342265999,'stripe','authorization.stated','pur_bkccconngamjoneojlolimcbegl','{"agent":"agt_bkccconnakcejlanpbomagjaclg","amount":2000,"approved":true,"authorization":"iauth_Lwq2wyBC5fpuNqMWE98URlGz","captured":0,"currency":"usd","event":"evt_7fs3PPt6baCLzBolABOhmftd","first":false,"held":2000,"merchant":"GITHUB","spent":0,"status":"authorized","stripe_status":"pending"}','1cc49fa63fd584497fc648827bc78f1c370c828c0282b30736e265edaafb24fc','d095f524d505d76cd226242fdc06f5668dc85132090fb74d4baf3957241fa6d1');
INSERT INTO audit_records VALUES('org_bkccconmjlkhfljgkglhmbgdkek',39,'aud_5bd64ccb4d029141a0b0ef92',1795882342265999,'roony','card.status_at_stripe','crd_bkccconngankoifglkkamnapelk','{"stripe_status":"canceled"}','d095f524d505d76cd226242fdc06f5668dc85132090fb74d4baf3957241fa6d1','5bd64ccb4d029141a0b0ef9284416f030dcfc7fd0bbe427bc4eb3c798dc66db6');
INSERT INTO audit_records VALUES('org_bkccconmjlkhfljgkglhmbgdkek',40,'aud_24d079b5c7fa00af0c743429',1795882342430880,'agt_bkccconmpiblbgakkehojhlgpca','purchase.asked','pur_bkccconnibodokjdmohmkadcdff','{"agent":"agt_bkccconmpiblbgakkehojhlgpca","amount":200000,"approval":"apr_bkccconnibojlikdjjmabmlekni","currency":"usd","held":200000,"hold":200000,"merchant":"Adobe","reasons":["APPROVAL_OVER_THRESHOLD"],"spent":0,"status":"awaiting_approval","statuses":[{"agent":"agt_bkccconmpiblbgakkehojhlgpca","amount":200000,"captured":0,"currency":"usd","purchase":"pur_bkccconnibodokjdmohmkadcdff","refunded":0,"status":"awaiting_approval","was":null}],"verdict":"needs_approval"}','5bd64ccb4d029141a0b0ef9284416f030dcfc7fd0bbe427bc4eb3c798dc66db6','24d079b5c7fa00af0c7434295ff7bb7b7920bfaa21856715093a954b700e607b');
INSERT INTO audit_records VALUES('org_bkccconmjlkhfljgkglhmbgdkek',41,'aud_b26df5cb0adaa706f782b8a5',1795882342690649,'key_bkccconmjmnkgniaklggnkdjgnd','agent.updated','agt_bkccconmpiblbgakkehojhlgpca','{"after":{"description":"buys","name":"Buyer","project":"prj_bkccconmpdjopjaffhjhmfcpgjg","projects":["prj_bkccconmpdjopjaffhjhmfcpgjg"]},"before":{"description":"","name":"Buyer","project":"prj_bkccconmpdjopjaffhjhmfcpgjg","projects":["prj_bkccconmpdjopjaffhjhmfcpgjg"]}}','24d079b5c7fa00af0c7434295ff7bb7b7920bfaa21856715093a954b700e607b','b26df5cb0adaa706f782b8a5ce440f91bf0de9a5e336aee2abdca9aa08f889b3');
INSERT INTO audit_records VALUES('org_bkccconmjlkhfljgkglhmbgdkek',42,'aud_cf392f38529fee50995e33d0',1795882342966268,'key_bkccconmjmnkgniaklggnkdjgnd','agent.frozen','agt_bkccconnakcejlanpbomagjaclg','{"after":1795882342966268,"before":null}','b26df5cb0adaa706f782b8a5ce440f91bf0de9a5e336aee2abdca9aa08f889b3','cf392f38529fee50995e33d065ff6064ad810fca1542fdba339f71ae9527f09f');
INSERT INTO authorization_decisions VALUES('org_bkccconmjlkhfljgkglhmbgdkek','iauth_oXtMDyUoAsqPWvqAGOa1rHp6',0,5000,'dec_bkccconndnlgcjknndgnedaooad','pur_bkccconndcliicocepphfhpilcd',1,5000,'APPROVED','approved',1795882341339939);
INSERT INTO authorization_decisions VALUES('org_bkccconmjlkhfljgkglhmbgdkek','iauth_FjVCzaXenlyjAt6X7n5CLmPa',0,3000,'dec_bkccconnfkdnijbfiekdpaocnpg','pur_bkccconnebdnhocokekpeojepbl',1,3000,'APPROVED','approved',1795882341795519);
INSERT INTO authorization_decisions VALUES('org_bkccconmjlkhfljgkglhmbgdkek','iauth_Lwq2wyBC5fpuNqMWE98URlGz',0,2000,'dec_bkccconnhcfhjdfepmekpaelnho','pur_bkccconngamjoneojlolimcbegl',1,2000,'APPROVED','approved',1795882342183130);
INSERT INTO authorizations VALUES('org_bkccconmjlkhfljgkglhmbgdkek','iauth_oXtMDyUoAsqPWvqAGOa1rHp6','con_bkccconmlooncffjimnlfggjajj','pur_bkccconndcliicocepphfhpilcd','crd_bkccconndcldnogfdgapfnhbbmk','ic_tYuxHtHstg68IqTNTUYqnS2A','pending',1,0,0,5000,0,'usd',5000,'usd','{"name": "FIGMA", "category": "5734", "country": "US", "network_id": "3634407573"}','239188341375803',1,1,0,1795882341,1795882341339939,1795882341363207,'[[true, "webhook_approved", 5000]]','{}',1795882341363207,1795882341000000,0,'');
INSERT INTO authorizations VALUES('org_bkccconmjlkhfljgkglhmbgdkek','iauth_FjVCzaXenlyjAt6X7n5CLmPa','con_bkccconmlooncffjimnlfggjajj','pur_bkccconnebdnhocokekpeojepbl','crd_bkccconnebdfmldgnaljdhdfkmg','ic_QUnbg86p44nIkNe6bvChaThX','closed',1,0,0,3000,3000,'usd',3000,'usd','{"name": "NOTION", "category": "5734", "country": "US", "network_id": "5964677161"}','533001504182321',1,3,2,1795882341,1795882341795519,1795882341888765,'[[true, "webhook_approved", 3000]]','{"closed": ["ipi_dFKue7q3U8PUeoEmDFbuzK1L"]}',1795882341888765,1795882341000000,0,'');
INSERT INTO authorizations VALUES('org_bkccconmjlkhfljgkglhmbgdkek','iauth_Lwq2wyBC5fpuNqMWE98URlGz','con_bkccconmlooncffjimnlfggjajj','pur_bkccconngamjoneojlolimcbegl','crd_bkccconngankoifglkkamnapelk','ic_e5owRO9ygmcRDrX8BwhUR8jL','pending',1,0,0,2000,0,'usd',2000,'usd','{"name": "GITHUB", "category": "5734", "country": "US", "network_id": "8142800778"}','918464347179098',1,1,0,1795882342,1795882342183130,1795882342265999,'[[true, "webhook_approved", 2000]]','{}',1795882342265999,1795882342000000,0,'');
INSERT INTO budget_periods VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_0f407af77c3467460b3e77f5',1795824000000000,209900,3000);
INSERT INTO budget_periods VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_18793bdfb567202f8aded8f3',1793491200000000,209900,3000);
INSERT INTO budget_periods VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_24e021c2181c6064b9b87480',1795392000000000,211900,3000);
INSERT INTO budget_periods VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_56085203eda62a9080b83ac9',1795392000000000,209900,3000);
INSERT INTO budget_periods VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_6168d266a467ac43e5b6c7a3',1795824000000000,211900,3000);
INSERT INTO budget_periods VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_735073c4b12c17923f0ffdad',0,209900,3000);
INSERT INTO budget_periods VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_811b40ba790fff4b74ad3085',1795824000000000,209900,3000);
INSERT INTO budget_periods VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_b3888c9c421adc444fb6a5e4',0,211900,3000);
INSERT INTO budget_periods VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_c182999cbfa6adf7002e03ca',1795392000000000,209900,3000);
INSERT INTO budget_periods VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_dae27f035ca4760c46166bc3',1793491200000000,209900,3000);
INSERT INTO budget_periods VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_e7a8c0d0b4be705d97884a24',0,209900,3000);
INSERT INTO budget_periods VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_f7a93f9b2ddd15cd7510f12d',1793491200000000,211900,3000);
INSERT INTO budget_periods VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_2783776bd3a812cbacb93eb4',1795824000000000,2000,0);
INSERT INTO budget_periods VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_386fc91ed3a68038acc9f7df',0,2000,0);
INSERT INTO budget_periods VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_73e257679147d41e9270db7d',1795392000000000,2000,0);
INSERT INTO budget_periods VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_a079c3cbf2612a413f9ff3bf',0,2000,0);
INSERT INTO budget_periods VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_b606763af0b85186d40cb967',1793491200000000,2000,0);
INSERT INTO budget_periods VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_c2917e1339687d76de858a89',1795392000000000,2000,0);
INSERT INTO budget_periods VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_d30d3fb6d5d613b43694ef65',1795824000000000,2000,0);
INSERT INTO budget_periods VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_f239aa43d07ad78ab0aaaca3',1793491200000000,2000,0);
INSERT INTO budgets VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_6168d266a467ac43e5b6c7a3','organization','org_bkccconmjlkhfljgkglhmbgdkek','usd','day','UTC',NULL,1795882338747005);
INSERT INTO budgets VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_24e021c2181c6064b9b87480','organization','org_bkccconmjlkhfljgkglhmbgdkek','usd','week','UTC',NULL,1795882338747005);
INSERT INTO budgets VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_f7a93f9b2ddd15cd7510f12d','organization','org_bkccconmjlkhfljgkglhmbgdkek','usd','month','UTC',NULL,1795882338747005);
INSERT INTO budgets VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_b3888c9c421adc444fb6a5e4','organization','org_bkccconmjlkhfljgkglhmbgdkek','usd','lifetime','UTC',NULL,1795882338747005);
INSERT INTO budgets VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_10515d8e38aa108052e5de65','project','prj_bkccconmjlkcmbjoigklgfjldbl','usd','day','UTC',NULL,1795882338747005);
INSERT INTO budgets VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_cbd603e8c5af65e7b0d16228','project','prj_bkccconmjlkcmbjoigklgfjldbl','usd','week','UTC',NULL,1795882338747005);
INSERT INTO budgets VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_914c446a700f76252d875ee7','project','prj_bkccconmjlkcmbjoigklgfjldbl','usd','month','UTC',NULL,1795882338747005);
INSERT INTO budgets VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_920837c9721ff4e3dd891217','project','prj_bkccconmjlkcmbjoigklgfjldbl','usd','lifetime','UTC',NULL,1795882338747005);
INSERT INTO budgets VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_23268e6631f90537cf8ad673','agent','agt_bkccconmjpinmipmjckjkdllpgh','usd','day','UTC',NULL,1795882338808742);
INSERT INTO budgets VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_6adcc2554e234aedc11fcdd3','agent','agt_bkccconmjpinmipmjckjkdllpgh','usd','week','UTC',NULL,1795882338808742);
INSERT INTO budgets VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_4b5c969b2260b8c0fe5735d0','agent','agt_bkccconmjpinmipmjckjkdllpgh','usd','month','UTC',500000,1795882338808742);
INSERT INTO budgets VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_529fee94b6c65866eba1d5ba','agent','agt_bkccconmjpinmipmjckjkdllpgh','usd','lifetime','UTC',NULL,1795882338808742);
INSERT INTO budgets VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_0f407af77c3467460b3e77f5','project','prj_bkccconmpdjopjaffhjhmfcpgjg','usd','day','UTC',NULL,1795882340154092);
INSERT INTO budgets VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_56085203eda62a9080b83ac9','project','prj_bkccconmpdjopjaffhjhmfcpgjg','usd','week','UTC',NULL,1795882340154092);
INSERT INTO budgets VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_18793bdfb567202f8aded8f3','project','prj_bkccconmpdjopjaffhjhmfcpgjg','usd','month','UTC',NULL,1795882340154092);
INSERT INTO budgets VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_735073c4b12c17923f0ffdad','project','prj_bkccconmpdjopjaffhjhmfcpgjg','usd','lifetime','UTC',NULL,1795882340154092);
INSERT INTO budgets VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_811b40ba790fff4b74ad3085','agent','agt_bkccconmpiblbgakkehojhlgpca','usd','day','UTC',NULL,1795882340226824);
INSERT INTO budgets VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_c182999cbfa6adf7002e03ca','agent','agt_bkccconmpiblbgakkehojhlgpca','usd','week','UTC',NULL,1795882340226824);
INSERT INTO budgets VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_dae27f035ca4760c46166bc3','agent','agt_bkccconmpiblbgakkehojhlgpca','usd','month','UTC',500000,1795882340226824);
INSERT INTO budgets VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_e7a8c0d0b4be705d97884a24','agent','agt_bkccconmpiblbgakkehojhlgpca','usd','lifetime','UTC',NULL,1795882340226824);
INSERT INTO budgets VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_d30d3fb6d5d613b43694ef65','project','prj_bkccconmpngojhejompafibfjga','usd','day','UTC',NULL,1795882340314132);
INSERT INTO budgets VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_73e257679147d41e9270db7d','project','prj_bkccconmpngojhejompafibfjga','usd','week','UTC',NULL,1795882340314132);
INSERT INTO budgets VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_f239aa43d07ad78ab0aaaca3','project','prj_bkccconmpngojhejompafibfjga','usd','month','UTC',NULL,1795882340314132);
INSERT INTO budgets VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_a079c3cbf2612a413f9ff3bf','project','prj_bkccconmpngojhejompafibfjga','usd','lifetime','UTC',NULL,1795882340314132);
INSERT INTO budgets VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_2783776bd3a812cbacb93eb4','agent','agt_bkccconnakcejlanpbomagjaclg','usd','day','UTC',NULL,1795882340515222);
INSERT INTO budgets VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_c2917e1339687d76de858a89','agent','agt_bkccconnakcejlanpbomagjaclg','usd','week','UTC',NULL,1795882340515222);
INSERT INTO budgets VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_b606763af0b85186d40cb967','agent','agt_bkccconnakcejlanpbomagjaclg','usd','month','UTC',500000,1795882340515222);
INSERT INTO budgets VALUES('org_bkccconmjlkhfljgkglhmbgdkek','bud_386fc91ed3a68038acc9f7df','agent','agt_bkccconnakcejlanpbomagjaclg','usd','lifetime','UTC',NULL,1795882340515222);
INSERT INTO cardholder_choices VALUES('made up','made up','made up','made up',1,1);
INSERT INTO cardholders VALUES('org_bkccconmjlkhfljgkglhmbgdkek','con_bkccconmlooncffjimnlfggjajj','org_bkccconmjlkhfljgkglhmbgdkek','organization','{"type": "company", "billing": {"address": {"line1": "510 Townsend Street", "city": "San Francisco", "state": "CA", "postal_code": "94103", "country": "US"}}, "name": "Demo Company", "metadata": {"roony_organization": "org_bkccconmjlkhfljgkglhmbgdkek", "roony_connection": "con_bkccconmlooncffjimnlfggjajj"}}',1,'ich_oJq2FZ8bFCBWnbdxkAchedO4','active','{"past_due": [], "disabled_reason": null}',1795882340,1795882339879637,1795882340078200,NULL);
INSERT INTO cards VALUES('org_bkccconmjlkhfljgkglhmbgdkek','crd_bkccconnbkkjblneljnfeheemij','pur_bkccconnbkkomoljekpckljhaeb','con_bkccconmlooncffjimnlfggjajj','ic_9tJuUAcoP5y2cN8HZ66kESsL','active','active','usd',4900,'6752',9,2029,1795885940778738,1,1795882340778738,1795882340923879,0,NULL,NULL,NULL);
INSERT INTO cards VALUES('org_bkccconmjlkhfljgkglhmbgdkek','crd_bkccconndcldnogfdgapfnhbbmk','pur_bkccconndcliicocepphfhpilcd','con_bkccconmlooncffjimnlfggjajj','ic_tYuxHtHstg68IqTNTUYqnS2A','used','canceled','usd',5000,'5496',1,2029,1795885941163462,1,1795882341163462,1795882341363207,0,NULL,NULL,NULL);
INSERT INTO cards VALUES('org_bkccconmjlkhfljgkglhmbgdkek','crd_bkccconnebdfmldgnaljdhdfkmg','pur_bkccconnebdnhocokekpeojepbl','con_bkccconmlooncffjimnlfggjajj','ic_QUnbg86p44nIkNe6bvChaThX','used','canceled','usd',3000,'6098',4,2029,1795885941396092,1,1795882341396092,1795882341888765,0,NULL,NULL,NULL);
INSERT INTO cards VALUES('org_bkccconmjlkhfljgkglhmbgdkek','crd_bkccconngankoifglkkamnapelk','pur_bkccconngamjoneojlolimcbegl','con_bkccconmlooncffjimnlfggjajj','ic_e5owRO9ygmcRDrX8BwhUR8jL','used','canceled','usd',2000,'6979',12,2029,1795885941906466,1,1795882341906466,1795882342265999,0,NULL,NULL,NULL);
INSERT INTO confirmations VALUES('made up','made up','made up','made up','made up',1,1,'made up',1);
INSERT INTO connection_secrets VALUES('org_bkccconmjlkhfljgkglhmbgdkek','con_bkccconmlooncffjimnlfggjajj','access_token','v1.83764cd7.SHPsvkCZrmkE6MbrZQNDMVho_AVl2Iw4gV5JtmPjvqEn6ANsLwbWlDm-GoJVkqfGy8Il0txLeKuzTkA_xtJVFTDwH2lWvxAz9ARZQWPC66jatQRU',1795882339879637);
INSERT INTO connection_secrets VALUES('org_bkccconmjlkhfljgkglhmbgdkek','con_bkccconmlooncffjimnlfggjajj','refresh_token','v1.83764cd7.BKMsUwxKuEgKK9Wc0Sk3YBb-MS_Y8pBs9DHfBVUl-ELwb6T74MbGFQFiiYx0-SqIY1LMeT7KxVppY3td5UprhbPHdguIsTACgTIo2qv9Qw',1795882339879637);
INSERT INTO connections VALUES('org_bkccconmjlkhfljgkglhmbgdkek','con_bkccconmlooncffjimnlfggjajj','connect','active','acct_Xsp5RqpyB1RUlPiB',0,'read_write','usd',NULL,1795882339311461,1795882339879637,NULL,'{}','active',1795882339896877,1795882339879637,'{}','acct_Ri2WiDEehNIEbtWX');
INSERT INTO control_versions VALUES('org_bkccconmjlkhfljgkglhmbgdkek','agt_bkccconmjpinmipmjckjkdllpgh',1,'agent','{"allowed_categories": ["software"], "allowed_countries": ["US"], "purchase_limit": 50000, "tolerance_amount": 0}','demo',1795882338808742);
INSERT INTO control_versions VALUES('org_bkccconmjlkhfljgkglhmbgdkek','agt_bkccconmpiblbgakkehojhlgpca',1,'agent','{"approval_threshold": 100000}','key_bkccconmjmnkgniaklggnkdjgnd',1795882340226824);
INSERT INTO control_versions VALUES('org_bkccconmjlkhfljgkglhmbgdkek','agt_bkccconnakcejlanpbomagjaclg',1,'agent','{"approval_threshold": 100000}','key_bkccconmjmnkgniaklggnkdjgnd',1795882340515222);
INSERT INTO controls VALUES('org_bkccconmjlkhfljgkglhmbgdkek','ctl_6537c711b82c1a93c0482f6a','agent','agt_bkccconmjpinmipmjckjkdllpgh',1,'{"allowed_categories": ["software"], "allowed_countries": ["US"], "purchase_limit": 50000, "tolerance_amount": 0}',1795882338808742);
INSERT INTO controls VALUES('org_bkccconmjlkhfljgkglhmbgdkek','ctl_30d22c5ecf5992eef48eafe0','agent','agt_bkccconmpiblbgakkehojhlgpca',1,'{"approval_threshold": 100000}',1795882340226824);
INSERT INTO controls VALUES('org_bkccconmjlkhfljgkglhmbgdkek','ctl_f8b00baa6c5118b0a92862cc','agent','agt_bkccconnakcejlanpbomagjaclg',1,'{"approval_threshold": 100000}',1795882340515222);
INSERT INTO discrepancies VALUES('made up','made up','made up','made up','made up','made up','made up','made up','made up','made up','made up',1,1);
INSERT INTO disputes VALUES('made up','made up','made up','made up','made up','made up',1,'made up',1,'made up',1,1,1,1);
INSERT INTO entries VALUES('org_bkccconmjlkhfljgkglhmbgdkek','pur_bkccconnbkkomoljekpckljhaeb',1,'hold_bkccconnbkkofcndcnpdklchkmd','hold',4900,0,1795882340778738);
INSERT INTO entries VALUES('org_bkccconmjlkhfljgkglhmbgdkek','pur_bkccconndcliicocepphfhpilcd',1,'hold_bkccconndcllmdffjfoodcmbfjh','hold',5000,0,1795882341163462);
INSERT INTO entries VALUES('org_bkccconmjlkhfljgkglhmbgdkek','pur_bkccconnebdnhocokekpeojepbl',1,'hold_bkccconnebdmgndnpeojahfalel','hold',3000,0,1795882341396092);
INSERT INTO entries VALUES('org_bkccconmjlkhfljgkglhmbgdkek','pur_bkccconnebdnhocokekpeojepbl',2,'hold_bkccconnebdmgndnpeojahfalel','statement',-3000,3000,1795882341888765);
INSERT INTO entries VALUES('org_bkccconmjlkhfljgkglhmbgdkek','pur_bkccconngamjoneojlolimcbegl',1,'hold_bkccconnganfhcebhacmjplpdjm','hold',2000,0,1795882341906466);
INSERT INTO entries VALUES('org_bkccconmjlkhfljgkglhmbgdkek','pur_bkccconnibodokjdmohmkadcdff',1,'hold_bkccconniboncmeagkfpfbogkgd','hold',200000,0,1795882342430880);
INSERT INTO holds VALUES('org_bkccconmjlkhfljgkglhmbgdkek','hold_bkccconnbkkofcndcnpdklchkmd','pur_bkccconnbkkomoljekpckljhaeb',4900,'usd','[["bud_811b40ba790fff4b74ad3085", 1795824000000000], ["bud_e7a8c0d0b4be705d97884a24", 0], ["bud_dae27f035ca4760c46166bc3", 1793491200000000], ["bud_c182999cbfa6adf7002e03ca", 1795392000000000], ["bud_0f407af77c3467460b3e77f5", 1795824000000000], ["bud_735073c4b12c17923f0ffdad", 0], ["bud_18793bdfb567202f8aded8f3", 1793491200000000], ["bud_56085203eda62a9080b83ac9", 1795392000000000], ["bud_6168d266a467ac43e5b6c7a3", 1795824000000000], ["bud_b3888c9c421adc444fb6a5e4", 0], ["bud_f7a93f9b2ddd15cd7510f12d", 1793491200000000], ["bud_24e021c2181c6064b9b87480", 1795392000000000]]',1795882340778738);
INSERT INTO holds VALUES('org_bkccconmjlkhfljgkglhmbgdkek','hold_bkccconndcllmdffjfoodcmbfjh','pur_bkccconndcliicocepphfhpilcd',5000,'usd','[["bud_811b40ba790fff4b74ad3085", 1795824000000000], ["bud_e7a8c0d0b4be705d97884a24", 0], ["bud_dae27f035ca4760c46166bc3", 1793491200000000], ["bud_c182999cbfa6adf7002e03ca", 1795392000000000], ["bud_0f407af77c3467460b3e77f5", 1795824000000000], ["bud_735073c4b12c17923f0ffdad", 0], ["bud_18793bdfb567202f8aded8f3", 1793491200000000], ["bud_56085203eda62a9080b83ac9", 1795392000000000], ["bud_6168d266a467ac43e5b6c7a3", 1795824000000000], ["bud_b3888c9c421adc444fb6a5e4", 0], ["bud_f7a93f9b2ddd15cd7510f12d", 1793491200000000], ["bud_24e021c2181c6064b9b87480", 1795392000000000]]',1795882341163462);
INSERT INTO holds VALUES('org_bkccconmjlkhfljgkglhmbgdkek','hold_bkccconnebdmgndnpeojahfalel','pur_bkccconnebdnhocokekpeojepbl',3000,'usd','[["bud_811b40ba790fff4b74ad3085", 1795824000000000], ["bud_e7a8c0d0b4be705d97884a24", 0], ["bud_dae27f035ca4760c46166bc3", 1793491200000000], ["bud_c182999cbfa6adf7002e03ca", 1795392000000000], ["bud_0f407af77c3467460b3e77f5", 1795824000000000], ["bud_735073c4b12c17923f0ffdad", 0], ["bud_18793bdfb567202f8aded8f3", 1793491200000000], ["bud_56085203eda62a9080b83ac9", 1795392000000000], ["bud_6168d266a467ac43e5b6c7a3", 1795824000000000], ["bud_b3888c9c421adc444fb6a5e4", 0], ["bud_f7a93f9b2ddd15cd7510f12d", 1793491200000000], ["bud_24e021c2181c6064b9b87480", 1795392000000000]]',1795882341396092);
INSERT INTO holds VALUES('org_bkccconmjlkhfljgkglhmbgdkek','hold_bkccconnganfhcebhacmjplpdjm','pur_bkccconngamjoneojlolimcbegl',2000,'usd','[["bud_2783776bd3a812cbacb93eb4", 1795824000000000], ["bud_386fc91ed3a68038acc9f7df", 0], ["bud_b606763af0b85186d40cb967", 1793491200000000], ["bud_c2917e1339687d76de858a89", 1795392000000000], ["bud_d30d3fb6d5d613b43694ef65", 1795824000000000], ["bud_a079c3cbf2612a413f9ff3bf", 0], ["bud_f239aa43d07ad78ab0aaaca3", 1793491200000000], ["bud_73e257679147d41e9270db7d", 1795392000000000], ["bud_6168d266a467ac43e5b6c7a3", 1795824000000000], ["bud_b3888c9c421adc444fb6a5e4", 0], ["bud_f7a93f9b2ddd15cd7510f12d", 1793491200000000], ["bud_24e021c2181c6064b9b87480", 1795392000000000]]',1795882341906466);
INSERT INTO holds VALUES('org_bkccconmjlkhfljgkglhmbgdkek','hold_bkccconniboncmeagkfpfbogkgd','pur_bkccconnibodokjdmohmkadcdff',200000,'usd','[["bud_811b40ba790fff4b74ad3085", 1795824000000000], ["bud_e7a8c0d0b4be705d97884a24", 0], ["bud_dae27f035ca4760c46166bc3", 1793491200000000], ["bud_c182999cbfa6adf7002e03ca", 1795392000000000], ["bud_0f407af77c3467460b3e77f5", 1795824000000000], ["bud_735073c4b12c17923f0ffdad", 0], ["bud_18793bdfb567202f8aded8f3", 1793491200000000], ["bud_56085203eda62a9080b83ac9", 1795392000000000], ["bud_6168d266a467ac43e5b6c7a3", 1795824000000000], ["bud_b3888c9c421adc444fb6a5e4", 0], ["bud_f7a93f9b2ddd15cd7510f12d", 1793491200000000], ["bud_24e021c2181c6064b9b87480", 1795392000000000]]',1795882342430880);
INSERT INTO inbox VALUES('evt_fZwrH40LQK5qyiiRfpAXY8Yf','acct_Xsp5RqpyB1RUlPiB',0,'account.application.authorized',NULL,'ca_simulator','ignored','not an event Roony needs',0,1795882339723245,0,0,1795882339,1795882339723245,1795882339723245,CAST('{"id": "evt_fZwrH40LQK5qyiiRfpAXY8Yf", "object": "event", "api_version": "2026-10-28.endive", "created": 1795882339, "data": {"object": {"id": "ca_simulator", "object": "application", "name": "Simulated platform"}}, "livemode": false, "pending_webhooks": 1, "request": {"id": null, "idempotency_key": null}, "type": "account.application.authorized", "account": "acct_Xsp5RqpyB1RUlPiB"}' AS BLOB));
INSERT INTO inbox VALUES('evt_dhh8eUQSecguWlv48JwUktpv','acct_Xsp5RqpyB1RUlPiB',0,'issuing_cardholder.created','org_bkccconmjlkhfljgkglhmbgdkek','ich_oJq2FZ8bFCBWnbdxkAchedO4','applied',NULL,0,1795882340106211,0,1,1795882340,1795882340066479,1795882340106211,CAST('{"id": "evt_dhh8eUQSecguWlv48JwUktpv", "object": "event", "api_version": "2026-10-28.endive", "created": 1795882340, "data": {"object": {"id": "ich_oJq2FZ8bFCBWnbdxkAchedO4", "object": "issuing.cardholder", "billing": {"address": {"city": "San Francisco", "country": "US", "line1": "510 Townsend Street", "line2": null, "postal_code": "94103", "state": "CA"}}, "company": null, "created": 1795882340, "email": null, "individual": null, "livemode": false, "metadata": {"roony_organization": "org_bkccconmjlkhfljgkglhmbgdkek", "roony_connection": "con_bkccconmlooncffjimnlfggjajj"}, "name": "Demo Company", "phone_number": null, "preferred_locales": [], "requirements": {"disabled_reason": null, "past_due": []}, "spending_controls": {"allowed_card_presences": null, "blocked_card_presences": null, "allowed_categories": null, "blocked_categories": null, "allowed_merchant_countries": null, "blocked_merchant_countries": null, "spending_limits": [], "spending_limits_currency": null}, "status": "active", "type": "company"}}, "livemode": false, "pending_webhooks": 1, "request": {"id": "req_nJDOPT3GkEYNQJ", "idempotency_key": "con_bkccconmlooncffjimnlfggjajj:cardholder:1"}, "type": "issuing_cardholder.created", "account": "acct_Xsp5RqpyB1RUlPiB"}' AS BLOB));
INSERT INTO inbox VALUES('evt_cpnKdOVSnqHFEprNIAcSDEEX','acct_Xsp5RqpyB1RUlPiB',0,'issuing_card.created','org_bkccconmjlkhfljgkglhmbgdkek','ic_9tJuUAcoP5y2cN8HZ66kESsL','applied',NULL,0,1795882340955763,0,1,1795882340,1795882340850288,1795882340955763,CAST('{"id": "evt_cpnKdOVSnqHFEprNIAcSDEEX", "object": "event", "api_version": "2026-10-28.endive", "created": 1795882340, "data": {"object": {"id": "ic_9tJuUAcoP5y2cN8HZ66kESsL", "object": "issuing.card", "brand": "Visa", "cancellation_reason": null, "created": 1795882340, "currency": "usd", "exp_month": 9, "exp_year": 2029, "financial_account": null, "last4": "6752", "latest_fraud_warning": null, "lifecycle_controls": {"cancel_after": {"payment_count": 1}}, "livemode": false, "metadata": {"roony_purchase": "pur_bkccconnbkkomoljekpckljhaeb", "roony_card": "crd_bkccconnbkkjblneljnfeheemij", "roony_organization": "org_bkccconmjlkhfljgkglhmbgdkek", "roony_agent": "agt_bkccconmpiblbgakkehojhlgpca"}, "personalization_design": null, "replaced_by": null, "replacement_for": null, "replacement_reason": null, "second_line": null, "shipping": null, "spending_controls": {"allowed_card_presences": ["not_present"], "blocked_card_presences": null, "allowed_categories": null, "blocked_categories": null, "allowed_merchant_countries": null, "blocked_merchant_countries": null, "spending_limits": [{"amount": 4900, "categories": [], "interval": "all_time"}], "spending_limits_currency": "usd"}, "status": "active", "type": "virtual", "wallets": {"apple_pay": {"eligible": false, "ineligible_reason": "missing_cardholder_contact"}, "google_pay": {"eligible": false, "ineligible_reason": "missing_cardholder_contact"}, "primary_account_identifier": null}, "cardholder": {"id": "ich_oJq2FZ8bFCBWnbdxkAchedO4", "object": "issuing.cardholder", "billing": {"address": {"city": "San Francisco", "country": "US", "line1": "510 Townsend Street", "line2": null, "postal_code": "94103", "state": "CA"}}, "company": null, "created": 1795882340, "email": null, "individual": null, "livemode": false, "metadata": {"roony_organization": "org_bkccconmjlkhfljgkglhmbgdkek", "roony_connection": "con_bkccconmlooncffjimnlfggjajj"}, "name": "Demo Company", "phone_number": null, "preferred_locales": [], "requirements": {"disabled_reason": null, "past_due": []}, "spending_controls": {"allowed_card_presences": null, "blocked_card_presences": null, "allowed_categories": null, "blocked_categories": null, "allowed_merchant_countries": null, "blocked_merchant_countries": null, "spending_limits": [], "spending_limits_currency": null}, "status": "active", "type": "company"}}}, "livemode": false, "pending_webhooks": 1, "request": {"id": "req_Za4gWPsjKgFZBi", "idempotency_key": "pur_bkccconnbkkomoljekpckljhaeb:1"}, "type": "issuing_card.created", "account": "acct_Xsp5RqpyB1RUlPiB"}' AS BLOB));
INSERT INTO inbox VALUES('evt_DcdlXCE0YLBoPVIFjJZGW479','acct_Xsp5RqpyB1RUlPiB',0,'issuing_card.created','org_bkccconmjlkhfljgkglhmbgdkek','ic_tYuxHtHstg68IqTNTUYqnS2A','applied',NULL,0,1795882341230517,0,1,1795882341,1795882341191406,1795882341230517,CAST('{"id": "evt_DcdlXCE0YLBoPVIFjJZGW479", "object": "event", "api_version": "2026-10-28.endive", "created": 1795882341, "data": {"object": {"id": "ic_tYuxHtHstg68IqTNTUYqnS2A", "object": "issuing.card", "brand": "Visa", "cancellation_reason": null, "created": 1795882341, "currency": "usd", "exp_month": 1, "exp_year": 2029, "financial_account": null, "last4": "5496", "latest_fraud_warning": null, "lifecycle_controls": {"cancel_after": {"payment_count": 1}}, "livemode": false, "metadata": {"roony_purchase": "pur_bkccconndcliicocepphfhpilcd", "roony_card": "crd_bkccconndcldnogfdgapfnhbbmk", "roony_organization": "org_bkccconmjlkhfljgkglhmbgdkek", "roony_agent": "agt_bkccconmpiblbgakkehojhlgpca"}, "personalization_design": null, "replaced_by": null, "replacement_for": null, "replacement_reason": null, "second_line": null, "shipping": null, "spending_controls": {"allowed_card_presences": ["not_present"], "blocked_card_presences": null, "allowed_categories": null, "blocked_categories": null, "allowed_merchant_countries": null, "blocked_merchant_countries": null, "spending_limits": [{"amount": 5000, "categories": [], "interval": "all_time"}], "spending_limits_currency": "usd"}, "status": "active", "type": "virtual", "wallets": {"apple_pay": {"eligible": false, "ineligible_reason": "missing_cardholder_contact"}, "google_pay": {"eligible": false, "ineligible_reason": "missing_cardholder_contact"}, "primary_account_identifier": null}, "cardholder": {"id": "ich_oJq2FZ8bFCBWnbdxkAchedO4", "object": "issuing.cardholder", "billing": {"address": {"city": "San Francisco", "country": "US", "line1": "510 Townsend Street", "line2": null, "postal_code": "94103", "state": "CA"}}, "company": null, "created": 1795882340, "email": null, "individual": null, "livemode": false, "metadata": {"roony_organization": "org_bkccconmjlkhfljgkglhmbgdkek", "roony_connection": "con_bkccconmlooncffjimnlfggjajj"}, "name": "Demo Company", "phone_number": null, "preferred_locales": [], "requirements": {"disabled_reason": null, "past_due": []}, "spending_controls": {"allowed_card_presences": null, "blocked_card_presences": null, "allowed_categories": null, "blocked_categories": null, "allowed_merchant_countries": null, "blocked_merchant_countries": null, "spending_limits": [], "spending_limits_currency": null}, "status": "active", "type": "company"}}}, "livemode": false, "pending_webhooks": 1, "request": {"id": "req_QBBKmtp7mtj98x", "idempotency_key": "pur_bkccconndcliicocepphfhpilcd:1"}, "type": "issuing_card.created", "account": "acct_Xsp5RqpyB1RUlPiB"}' AS BLOB));
INSERT INTO kept_keys VALUES('org_bkccconmjlkhfljgkglhmbgdkek','agt_bkccconmpiblbgakkehojhlgpca','Linear','pur_bkccconnbkkomoljekpckljhaeb','d035e831aea870b6164a7594870f2493f09d57adb16ef1e4ca26f7aacc90428f',1795882340778738);
INSERT INTO kept_keys VALUES('org_bkccconmjlkhfljgkglhmbgdkek','agt_bkccconmpiblbgakkehojhlgpca','Figma','pur_bkccconndcliicocepphfhpilcd','25a09d40ced8452e46238fc0e45eb22bc3e1bee85cde3e4b3702dee6d4c17d70',1795882341163462);
INSERT INTO kept_keys VALUES('org_bkccconmjlkhfljgkglhmbgdkek','agt_bkccconmpiblbgakkehojhlgpca','Notion','pur_bkccconnebdnhocokekpeojepbl','963cc36ed99d9ac391125b4f54e2e6aa07ea1a187866dfe3f29e0be9d5ab0ba3',1795882341396092);
INSERT INTO kept_keys VALUES('org_bkccconmjlkhfljgkglhmbgdkek','agt_bkccconnakcejlanpbomagjaclg','GitHub','pur_bkccconngamjoneojlolimcbegl','cce1d3e789b34e55cd3d6a7bd27f0d1d91266ebddf55a67673c1b54df7c987b0',1795882341906466);
INSERT INTO kept_keys VALUES('org_bkccconmjlkhfljgkglhmbgdkek','agt_bkccconmpiblbgakkehojhlgpca','Adobe','pur_bkccconnibodokjdmohmkadcdff','14430f640cafae00ea4763c6923e90ef1bf52f70de2510cbc8e37bdba812e6c4',1795882342430880);
INSERT INTO known_merchants VALUES('org_bkccconmjlkhfljgkglhmbgdkek','linear','Linear','[]','[]',1,1795882340778738,1795882340778738,4900,'usd');
INSERT INTO known_merchants VALUES('org_bkccconmjlkhfljgkglhmbgdkek','figma','Figma','[]','["3634407573"]',1,1795882341163462,1795882341163462,5000,'usd');
INSERT INTO known_merchants VALUES('org_bkccconmjlkhfljgkglhmbgdkek','notion','Notion','[]','["5964677161"]',1,1795882341396092,1795882341396092,3000,'usd');
INSERT INTO known_merchants VALUES('org_bkccconmjlkhfljgkglhmbgdkek','github','GitHub','[]','["8142800778"]',1,1795882341906466,1795882341906466,2000,'usd');
INSERT INTO notice_cursors VALUES('made up',1);
INSERT INTO notice_deliveries VALUES('made up','made up','made up',1,1,'made up','made up','made up',1,1,1,1,1,'made up',1,1,1);
INSERT INTO oauth_states VALUES('82bb52e6c955aedfc9999df583ac12fa3ee21ebb1ddbfa2551005bb23829c986','326653d9599d6e32e0f5918015bd9453780fe97dba4e899a9f2ce5dbfc4d1b28','org_bkccconmjlkhfljgkglhmbgdkek','con_bkccconmlooncffjimnlfggjajj',1795882939522973,1795882339572800);
INSERT INTO organizations VALUES('installation','This installation','usd','UTC',NULL,NULL,'decline','sealed',0,'{}','0',0,'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO organizations VALUES('org_bkccconmjlkhfljgkglhmbgdkek','Demo Company','usd','UTC','con_bkccconmlooncffjimnlfggjajj',NULL,'decline','raw',0,'{}','23d0a66b4ae63664',42,'cf392f38529fee50995e33d065ff6064ad810fca1542fdba339f71ae9527f09f',1795882342966268,1795882338747005);
INSERT INTO outbox VALUES('org_bkccconmjlkhfljgkglhmbgdkek','out_bkccconmochempbbmfakpfojjno','make_cardholder','con_bkccconmlooncffjimnlfggjajj','{}','con_bkccconmlooncffjimnlfggjajj:cardholder:1',1,'done',0,0,0,1,NULL,1795882339879637,1795882340078200);
INSERT INTO outbox VALUES('org_bkccconmjlkhfljgkglhmbgdkek','out_1e472cbbc2d3b20da83c6f07','preflight','con_bkccconmlooncffjimnlfggjajj','{}','out_1e472cbbc2d3b20da83c6f07:1',1,'done',0,0,0,1,NULL,1795882339879637,1795882340001544);
INSERT INTO outbox VALUES('org_bkccconmjlkhfljgkglhmbgdkek','out_bkccconnbkkkcabpfapikeeikho','make_card','crd_bkccconnbkkjblneljnfeheemij','{"type": "virtual", "status": "active", "currency": "usd", "spending_controls": {"spending_limits": [{"amount": 4900, "interval": "all_time"}], "allowed_card_presences": ["not_present"]}, "metadata": {"roony_purchase": "pur_bkccconnbkkomoljekpckljhaeb", "roony_card": "crd_bkccconnbkkjblneljnfeheemij", "roony_organization": "org_bkccconmjlkhfljgkglhmbgdkek", "roony_agent": "agt_bkccconmpiblbgakkehojhlgpca"}, "lifecycle_controls": {"cancel_after": {"payment_count": 1}}, "cardholder": "org_bkccconmjlkhfljgkglhmbgdkek"}','pur_bkccconnbkkomoljekpckljhaeb:1',1,'done',0,0,0,1,NULL,1795882340778738,1795882340920414);
INSERT INTO outbox VALUES('org_bkccconmjlkhfljgkglhmbgdkek','out_bkccconndclfmgpabhffajmhiao','make_card','crd_bkccconndcldnogfdgapfnhbbmk','{"type": "virtual", "status": "active", "currency": "usd", "spending_controls": {"spending_limits": [{"amount": 5000, "interval": "all_time"}], "allowed_card_presences": ["not_present"]}, "metadata": {"roony_purchase": "pur_bkccconndcliicocepphfhpilcd", "roony_card": "crd_bkccconndcldnogfdgapfnhbbmk", "roony_organization": "org_bkccconmjlkhfljgkglhmbgdkek", "roony_agent": "agt_bkccconmpiblbgakkehojhlgpca"}, "lifecycle_controls": {"cancel_after": {"payment_count": 1}}, "cardholder": "org_bkccconmjlkhfljgkglhmbgdkek"}','pur_bkccconndcliicocepphfhpilcd:1',1,'done',0,0,0,1,NULL,1795882341163462,1795882341203193);
INSERT INTO outbox VALUES('org_bkccconmjlkhfljgkglhmbgdkek','out_bkccconnebdhegkchojbgkkkjdk','make_card','crd_bkccconnebdfmldgnaljdhdfkmg','{"type": "virtual", "status": "active", "currency": "usd", "spending_controls": {"spending_limits": [{"amount": 3000, "interval": "all_time"}], "allowed_card_presences": ["not_present"]}, "metadata": {"roony_purchase": "pur_bkccconnebdnhocokekpeojepbl", "roony_card": "crd_bkccconnebdfmldgnaljdhdfkmg", "roony_organization": "org_bkccconmjlkhfljgkglhmbgdkek", "roony_agent": "agt_bkccconmpiblbgakkehojhlgpca"}, "lifecycle_controls": {"cancel_after": {"payment_count": 1}}, "cardholder": "org_bkccconmjlkhfljgkglhmbgdkek"}','pur_bkccconnebdnhocokekpeojepbl:1',1,'done',0,0,0,1,NULL,1795882341396092,1795882341450326);
INSERT INTO outbox VALUES('org_bkccconmjlkhfljgkglhmbgdkek','out_bkccconnganlebdhgjckmjiadae','make_card','crd_bkccconngankoifglkkamnapelk','{"type": "virtual", "status": "active", "currency": "usd", "spending_controls": {"spending_limits": [{"amount": 2000, "interval": "all_time"}], "allowed_card_presences": ["not_present"]}, "metadata": {"roony_purchase": "pur_bkccconngamjoneojlolimcbegl", "roony_card": "crd_bkccconngankoifglkkamnapelk", "roony_organization": "org_bkccconmjlkhfljgkglhmbgdkek", "roony_agent": "agt_bkccconnakcejlanpbomagjaclg"}, "lifecycle_controls": {"cancel_after": {"payment_count": 1}}, "cardholder": "org_bkccconmjlkhfljgkglhmbgdkek"}','pur_bkccconngamjoneojlolimcbegl:1',1,'done',0,0,0,1,NULL,1795882341906466,1795882341927469);
INSERT INTO outbox VALUES('org_bkccconmjlkhfljgkglhmbgdkek','out_bkccconnkdfgodlpeiikpbnkdof','freeze_cards','agent:agt_bkccconnakcejlanpbomagjaclg','{}','out_bkccconnkdfgodlpeiikpbnkdof:1',1,'done',0,0,0,1,NULL,1795882342966268,1795882343012271);
INSERT INTO payments VALUES('made up','made up',0,'made up',0,0,0,0,0,0,0);
INSERT INTO preflights VALUES('org_bkccconmjlkhfljgkglhmbgdkek','con_bkccconmlooncffjimnlfggjajj','preflight','[{"id": "stripe_access", "status": "ok", "message": "Stripe lets Roony act for the account.", "next": null}, {"id": "livemode", "status": "ok", "message": "Key and account are in the same mode.", "next": null}, {"id": "issuing_capability", "status": "ok", "message": "The account may issue cards.", "next": null}, {"id": "issuing_balance", "status": "ok", "message": "The Issuing balance is 100,000.00 USD.", "next": null}, {"id": "cardholder", "status": "warning", "message": "The account has no cardholder yet; it is made with the connection.", "next": "Look again soon."}, {"id": "webhook_endpoint", "status": "ok", "message": "Stripe sends events to http://127.0.0.1:35301/api/webhooks/stripe.", "next": null}, {"id": "webhook_events", "status": "ok", "message": "Every event Roony needs is sent.", "next": null}, {"id": "realtime_event", "status": "ok", "message": "issuing_authorization.request is selected.", "next": null}, {"id": "webhook_version", "status": "warning", "message": "Events come in the account''s default version; Roony reads 2026-10-28.endive.", "next": "roony connection setup-webhooks con_bkccconmlooncffjimnlfggjajj"}, {"id": "realtime_url", "status": "unknown", "message": "Nobody has confirmed it, and no API of Stripe''s shows it: Roony''s address is the real-time authorization URL.", "next": "See it in the account''s Issuing settings, then: roony connection confirm con_bkccconmlooncffjimnlfggjajj --realtime-url"}, {"id": "timeout_declines", "status": "unknown", "message": "Nobody has confirmed it, and no API of Stripe''s shows it: the timeout action is decline.", "next": "See it in the account''s Issuing settings, then: roony connection confirm con_bkccconmlooncffjimnlfggjajj --timeout-declines"}, {"id": "other_cards", "status": "ok", "message": "No other active cards.", "next": null}, {"id": "public_url", "status": "warning", "message": "Roony''s public address is not https: http://127.0.0.1:35301", "next": "Good for trying out; live mode needs ROONY_PUBLIC_URL with https."}]','roony',1795882340001544);
INSERT INTO projects VALUES('org_bkccconmjlkhfljgkglhmbgdkek','prj_bkccconmjlkcmbjoigklgfjldbl','Demo project',NULL,1795882338747005);
INSERT INTO projects VALUES('org_bkccconmjlkhfljgkglhmbgdkek','prj_bkccconmpdjopjaffhjhmfcpgjg','Buyers',NULL,1795882340154092);
INSERT INTO projects VALUES('org_bkccconmjlkhfljgkglhmbgdkek','prj_bkccconmpngojhejompafibfjga','Stoppeds',NULL,1795882340314132);
INSERT INTO purchases VALUES('org_bkccconmjlkhfljgkglhmbgdkek','pur_bkccconnbkkomoljekpckljhaeb','agt_bkccconmpiblbgakkehojhlgpca','prj_bkccconmpdjopjaffhjhmfcpgjg',NULL,'con_bkccconmlooncffjimnlfggjajj','ready',4900,'usd','hold_bkccconnbkkofcndcnpdklchkmd',4900,4900,0,0,0,0,1,'crd_bkccconnbkkjblneljnfeheemij',NULL,'linear','strict','{"name": "Linear", "category": "5734", "country": "US"}','1 month','{}','{"verdict": "approved", "reasons": [], "inputs": {"at": 1795882340778738, "ask": {"amount": 4900, "currency": "usd", "merchant": {"name": "Linear", "category": "5734", "country": "US"}, "task_id": null, "allow_duplicate": false, "merchant_lock": null, "recurring": null}, "organization": {"currency": "usd", "time_zone": "UTC", "unbudgeted": false, "frozen": false}, "project": {"frozen": false}, "agent": {"frozen": false}, "connection": {"id": "con_bkccconmlooncffjimnlfggjajj", "status": "active", "currency": "usd", "approves": true}, "control_versions": {"agt_bkccconmpiblbgakkehojhlgpca": 1}, "controls": [{"scope": "agent", "controls": {"approval_threshold": 100000}}], "budgets": [{"id": "bud_dae27f035ca4760c46166bc3", "scope": "agent", "scope_id": "agt_bkccconmpiblbgakkehojhlgpca", "currency": "usd", "period": "month", "limit": 500000, "held": 0, "spent": 0}], "velocity": [0, 0], "merchant_known": false, "duplicate_of": null}}',NULL,'f2872d24c9fb4a5113ede8c45a67defccaa06d9f49e1ad42d8d8b4508511c9d6',NULL,NULL,1795882340778738,1795882340920414,'one_time',1,0,NULL,NULL);
INSERT INTO purchases VALUES('org_bkccconmjlkhfljgkglhmbgdkek','pur_bkccconndcliicocepphfhpilcd','agt_bkccconmpiblbgakkehojhlgpca','prj_bkccconmpdjopjaffhjhmfcpgjg',NULL,'con_bkccconmlooncffjimnlfggjajj','authorized',5000,'usd','hold_bkccconndcllmdffjfoodcmbfjh',5000,5000,0,0,0,0,1,'crd_bkccconndcldnogfdgapfnhbbmk',NULL,'figma','strict','{"name": "Figma", "category": "5734", "country": "US"}','1 month','{}','{"verdict": "approved", "reasons": [], "inputs": {"at": 1795882341163462, "ask": {"amount": 5000, "currency": "usd", "merchant": {"name": "Figma", "category": "5734", "country": "US"}, "task_id": null, "allow_duplicate": false, "merchant_lock": null, "recurring": null}, "organization": {"currency": "usd", "time_zone": "UTC", "unbudgeted": false, "frozen": false}, "project": {"frozen": false}, "agent": {"frozen": false}, "connection": {"id": "con_bkccconmlooncffjimnlfggjajj", "status": "active", "currency": "usd", "approves": true}, "control_versions": {"agt_bkccconmpiblbgakkehojhlgpca": 1}, "controls": [{"scope": "agent", "controls": {"approval_threshold": 100000}}], "budgets": [{"id": "bud_dae27f035ca4760c46166bc3", "scope": "agent", "scope_id": "agt_bkccconmpiblbgakkehojhlgpca", "currency": "usd", "period": "month", "limit": 500000, "held": 4900, "spent": 0}], "velocity": [1, 4900], "merchant_known": false, "duplicate_of": null}}',NULL,'edfc3b0c90247987c63479ebc63c0f569ff76f4e848ceca54842bdd29495ad48',NULL,NULL,1795882341163462,1795882341363207,'one_time',1,0,NULL,NULL);
INSERT INTO purchases VALUES('org_bkccconmjlkhfljgkglhmbgdkek','pur_bkccconnebdnhocokekpeojepbl','agt_bkccconmpiblbgakkehojhlgpca','prj_bkccconmpdjopjaffhjhmfcpgjg',NULL,'con_bkccconmlooncffjimnlfggjajj','settled',3000,'usd','hold_bkccconnebdmgndnpeojahfalel',3000,0,3000,3000,0,0,2,'crd_bkccconnebdfmldgnaljdhdfkmg',NULL,'notion','strict','{"name": "Notion", "category": "5734", "country": "US"}','1 month','{}','{"verdict": "approved", "reasons": [], "inputs": {"at": 1795882341396092, "ask": {"amount": 3000, "currency": "usd", "merchant": {"name": "Notion", "category": "5734", "country": "US"}, "task_id": null, "allow_duplicate": false, "merchant_lock": null, "recurring": null}, "organization": {"currency": "usd", "time_zone": "UTC", "unbudgeted": false, "frozen": false}, "project": {"frozen": false}, "agent": {"frozen": false}, "connection": {"id": "con_bkccconmlooncffjimnlfggjajj", "status": "active", "currency": "usd", "approves": true}, "control_versions": {"agt_bkccconmpiblbgakkehojhlgpca": 1}, "controls": [{"scope": "agent", "controls": {"approval_threshold": 100000}}], "budgets": [{"id": "bud_dae27f035ca4760c46166bc3", "scope": "agent", "scope_id": "agt_bkccconmpiblbgakkehojhlgpca", "currency": "usd", "period": "month", "limit": 500000, "held": 9900, "spent": 0}], "velocity": [2, 9900], "merchant_known": false, "duplicate_of": null}}',NULL,'19d0e68ab80316b015d586f955c86ec2d793c475c12a003552023f51d6f20dd4',NULL,NULL,1795882341396092,1795882341888765,'one_time',1,0,NULL,NULL);
INSERT INTO purchases VALUES('org_bkccconmjlkhfljgkglhmbgdkek','pur_bkccconngamjoneojlolimcbegl','agt_bkccconnakcejlanpbomagjaclg','prj_bkccconmpngojhejompafibfjga',NULL,'con_bkccconmlooncffjimnlfggjajj','authorized',2000,'usd','hold_bkccconnganfhcebhacmjplpdjm',2000,2000,0,0,0,0,1,'crd_bkccconngankoifglkkamnapelk',NULL,'github','strict','{"name": "GitHub", "category": "5734", "country": "US"}','1 month','{}','{"verdict": "approved", "reasons": [], "inputs": {"at": 1795882341906466, "ask": {"amount": 2000, "currency": "usd", "merchant": {"name": "GitHub", "category": "5734", "country": "US"}, "task_id": null, "allow_duplicate": false, "merchant_lock": null, "recurring": null}, "organization": {"currency": "usd", "time_zone": "UTC", "unbudgeted": false, "frozen": false}, "project": {"frozen": false}, "agent": {"frozen": false}, "connection": {"id": "con_bkccconmlooncffjimnlfggjajj", "status": "active", "currency": "usd", "approves": true}, "control_versions": {"agt_bkccconnakcejlanpbomagjaclg": 1}, "controls": [{"scope": "agent", "controls": {"approval_threshold": 100000}}], "budgets": [{"id": "bud_b606763af0b85186d40cb967", "scope": "agent", "scope_id": "agt_bkccconnakcejlanpbomagjaclg", "currency": "usd", "period": "month", "limit": 500000, "held": 0, "spent": 0}], "velocity": [0, 0], "merchant_known": false, "duplicate_of": null}}',NULL,'aeaad7a8d1e1422be17a54015165ed278319d7d64faf161ef0c6ed617e1184d8',NULL,NULL,1795882341906466,1795882342265999,'one_time',1,0,NULL,NULL);
INSERT INTO purchases VALUES('org_bkccconmjlkhfljgkglhmbgdkek','pur_bkccconnibodokjdmohmkadcdff','agt_bkccconmpiblbgakkehojhlgpca','prj_bkccconmpdjopjaffhjhmfcpgjg',NULL,'con_bkccconmlooncffjimnlfggjajj','awaiting_approval',200000,'usd','hold_bkccconniboncmeagkfpfbogkgd',200000,200000,0,0,0,0,1,NULL,'apr_bkccconnibojlikdjjmabmlekni','adobe','strict','{"name": "Adobe", "category": "5734", "country": "US"}','1 month','{}','{"verdict": "needs_approval", "reasons": [{"code": "APPROVAL_OVER_THRESHOLD", "message": "2,000.00 USD is over 1,000.00 USD: above that a person decides for this agent.", "scope": "agent"}], "inputs": {"at": 1795882342430880, "ask": {"amount": 200000, "currency": "usd", "merchant": {"name": "Adobe", "category": "5734", "country": "US"}, "task_id": null, "allow_duplicate": false, "merchant_lock": null, "recurring": null}, "organization": {"currency": "usd", "time_zone": "UTC", "unbudgeted": false, "frozen": false}, "project": {"frozen": false}, "agent": {"frozen": false}, "connection": {"id": "con_bkccconmlooncffjimnlfggjajj", "status": "active", "currency": "usd", "approves": true}, "control_versions": {"agt_bkccconmpiblbgakkehojhlgpca": 1}, "controls": [{"scope": "agent", "controls": {"approval_threshold": 100000}}], "budgets": [{"id": "bud_dae27f035ca4760c46166bc3", "scope": "agent", "scope_id": "agt_bkccconmpiblbgakkehojhlgpca", "currency": "usd", "period": "month", "limit": 500000, "held": 9900, "spent": 3000}], "velocity": [3, 12900], "merchant_known": false, "duplicate_of": null}}',NULL,'f0c49616e5eb803e0f2ec34ab06797e1272ea98ea4f3f44ad385abe29698bc3e',NULL,NULL,1795882342430880,1795882342430880,'one_time',1,0,NULL,NULL);
INSERT INTO receipt_contents VALUES('made up','made up',CAST('made up' AS BLOB));
INSERT INTO receipts VALUES('made up','made up','made up','made up','made up',1,'made up',1);
INSERT INTO recent_purchases VALUES('org_bkccconmjlkhfljgkglhmbgdkek','agt_bkccconmpiblbgakkehojhlgpca','f2872d24c9fb4a5113ede8c45a67defccaa06d9f49e1ad42d8d8b4508511c9d6','pur_bkccconnbkkomoljekpckljhaeb',1795882340778738);
INSERT INTO recent_purchases VALUES('org_bkccconmjlkhfljgkglhmbgdkek','agt_bkccconmpiblbgakkehojhlgpca','edfc3b0c90247987c63479ebc63c0f569ff76f4e848ceca54842bdd29495ad48','pur_bkccconndcliicocepphfhpilcd',1795882341163462);
INSERT INTO recent_purchases VALUES('org_bkccconmjlkhfljgkglhmbgdkek','agt_bkccconmpiblbgakkehojhlgpca','19d0e68ab80316b015d586f955c86ec2d793c475c12a003552023f51d6f20dd4','pur_bkccconnebdnhocokekpeojepbl',1795882341396092);
INSERT INTO recent_purchases VALUES('org_bkccconmjlkhfljgkglhmbgdkek','agt_bkccconnakcejlanpbomagjaclg','aeaad7a8d1e1422be17a54015165ed278319d7d64faf161ef0c6ed617e1184d8','pur_bkccconngamjoneojlolimcbegl',1795882341906466);
INSERT INTO recent_purchases VALUES('org_bkccconmjlkhfljgkglhmbgdkek','agt_bkccconmpiblbgakkehojhlgpca','f0c49616e5eb803e0f2ec34ab06797e1272ea98ea4f3f44ad385abe29698bc3e','pur_bkccconnibodokjdmohmkadcdff',1795882342430880);
INSERT INTO reconciliations VALUES('made up','made up','made up','made up','made up','made up',1,1,'made up',1,1,1,1,1,1,1,'made up','made up','made up',1,1,1);
INSERT INTO reveal_links VALUES('made up','made up','made up',1,'made up','made up',1,1,1,'made up',1);
INSERT INTO start_tickets VALUES('5e5ca4bc8edd152aed2f0fca6de5891e8449fb0550bcac384d69616216631627','org_bkccconmjlkhfljgkglhmbgdkek','con_bkccconmlooncffjimnlfggjajj',1795882939311461,1795882339522973);
INSERT INTO stripe_transactions VALUES('org_bkccconmjlkhfljgkglhmbgdkek','ipi_dFKue7q3U8PUeoEmDFbuzK1L','con_bkccconmlooncffjimnlfggjajj','pur_bkccconnebdnhocokekpeojepbl','iauth_FjVCzaXenlyjAt6X7n5CLmPa','ic_QUnbg86p44nIkNe6bvChaThX','capture',3000,'usd',3000,'usd','{"name": "NOTION", "category": "5734", "country": "US", "network_id": "5964677161"}','533001504182321',1795882341000000,1795882341888765,'card');
INSERT INTO users VALUES('made up','made up','made up','made up','made up',1,1);
INSERT INTO velocities VALUES('org_bkccconmjlkhfljgkglhmbgdkek','agt_bkccconmpiblbgakkehojhlgpca',498856,4,212900);
INSERT INTO velocities VALUES('org_bkccconmjlkhfljgkglhmbgdkek','agt_bkccconnakcejlanpbomagjaclg',498856,1,2000);
INSERT INTO webhook_endpoints VALUES('made up','made up','made up','made up','made up','made up','made up',1,'made up','made up',1,1,1);
