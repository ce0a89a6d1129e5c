-- A database of Roony at schema revision 0004, served with the simulator at commit 653ff4a: of one agent's purchases one
-- is ready, one authorized, one settled and one waits for approval; a second agent is frozen with a card that is used.
-- A table it left empty has one made-up row. Everything in it is made up; keys are there as hashes only.
CREATE TABLE access_keys (
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
	amount BIGINT,
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
	first_at BIGINT NOT NULL,
	PRIMARY KEY (organization_id, merchant_key)
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
CREATE TABLE velocities (
	organization_id TEXT NOT NULL,
	agent_id TEXT NOT NULL,
	hour BIGINT NOT NULL,
	purchases BIGINT NOT NULL,
	amount BIGINT NOT NULL,
	PRIMARY KEY (organization_id, agent_id, hour)
);
CREATE INDEX access_keys_by_id ON access_keys (organization_id, id);
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
CREATE INDEX outbox_due ON outbox (due_at) WHERE status = 'promised';
CREATE INDEX purchases_by_agent ON purchases (organization_id, agent_id, created_at);
CREATE INDEX purchases_by_time ON purchases (organization_id, created_at);
CREATE INDEX reconciliations_by_connection ON reconciliations (organization_id, connection_id, created_at);
CREATE INDEX reconciliations_by_time ON reconciliations (organization_id, created_at);
CREATE INDEX stripe_transactions_by_card ON stripe_transactions (organization_id, stripe_card_id);
CREATE INDEX stripe_transactions_by_network_id ON stripe_transactions (organization_id, network_transaction_id);
CREATE INDEX stripe_transactions_by_purchase ON stripe_transactions (organization_id, purchase_id);
CREATE INDEX stripe_transactions_by_time ON stripe_transactions (organization_id, created_at);
INSERT INTO access_keys VALUES('b016ff364c3d243e7dd6beda5c7de2e3bf6ae7ead246e3af2392f88728f01876','key_bkccconhjgnnngppbbafdgpdmki','org_bkccconhjemgmodfhcpndpnemmb','admin',NULL,NULL,'demo','roony_admin_a85f',1795882318195647,NULL);
INSERT INTO access_keys VALUES('0b86f58a034a5e55677931d0e012cb06ff15bc9f74ae392e542f3804aea6bdcf','key_bkccconhjhmhakafneijjjdknig','org_bkccconhjemgmodfhcpndpnemmb','agent','agt_bkccconhjhmdchndhdljhnjncpd',NULL,'demo','roony_agent_4400',1795882318206003,NULL);
INSERT INTO access_keys VALUES('f6331361fd3be6ed06ea93ab5e501ec93ee3bd88054c784d908745504671e7af','key_bkccconhnagnaamagfjcngnjaem','org_bkccconhjemgmodfhcpndpnemmb','agent','agt_bkccconhnagkclmafjggpgejcnn',NULL,'Buyer','roony_agent_2f97',1795882319111035,NULL);
INSERT INTO access_keys VALUES('4ef593eaabdb6e080728ee773906199784bf7d3b622b80f9f6d5d42444a03e93','key_bkccconhnmijgjmnfmfffeleiif','org_bkccconhjemgmodfhcpndpnemmb','agent','agt_bkccconhnmielhifldbalnagjmf',NULL,'Stopped','roony_agent_fba9',1795882319304814,NULL);
INSERT INTO account_routes VALUES('acct_swlYWNz9i9nGlGHK',0,'org_bkccconhjemgmodfhcpndpnemmb','con_bkccconhkfnpklbedggjlcipjak');
INSERT INTO agents VALUES('org_bkccconhjemgmodfhcpndpnemmb','agt_bkccconhjhmdchndhdljhnjncpd','prj_bkccconhjemgfaaoegljgpbenno','["prj_bkccconhjemgfaaoegljgpbenno"]','demo agent','Buys software in the US.',NULL,NULL,1795882318206003);
INSERT INTO agents VALUES('org_bkccconhjemgmodfhcpndpnemmb','agt_bkccconhnagkclmafjggpgejcnn','prj_bkccconhmjpjehkcnhnmfoedkap','["prj_bkccconhmjpjehkcnhnmfoedkap"]','Buyer','',NULL,NULL,1795882319111035);
INSERT INTO agents VALUES('org_bkccconhjemgmodfhcpndpnemmb','agt_bkccconhnmielhifldbalnagjmf','prj_bkccconhnfcghjmahekgplcdamh','["prj_bkccconhnfcghjmahekgplcdamh"]','Stopped','',1795882320859480,NULL,1795882319304814);
INSERT INTO alembic_version VALUES('0004');
INSERT INTO alerts VALUES('made up','made up','made up','made up','made up','made up',1,'made up',1,1,1);
INSERT INTO app_tokens VALUES('made up','made up',1,1,1,'made up',1,1,1,1,1);
INSERT INTO approvals VALUES('org_bkccconhjemgmodfhcpndpnemmb','apr_bkccconidgamncejnjfhibnelaj','pur_bkccconidgaoomemjcpbkdagfgj','pending','{"amount": 200000, "currency": "usd", "hold_amount": 200000, "agent": "Buyer", "project": "Buyers", "merchant": {"name": "Adobe", "category": "5734", "country": "US"}, "merchant_known": false, "description": "1 month", "reasons": [{"code": "APPROVAL_OVER_THRESHOLD", "message": "2,000.00 USD is over 1,000.00 USD: above that a person decides for this agent.", "scope": "agent"}], "budgets": [{"scope": "agent", "period": "month", "limit": 500000, "available_after": 287100}]}',1795884120737973,NULL,NULL,'',1795882320737973,'purchase',NULL);
INSERT INTO audit_records VALUES('org_bkccconhjemgmodfhcpndpnemmb',1,'aud_f1a627da0fe5748e83d45390',1795882318156314,'demo','organization.created','org_bkccconhjemgmodfhcpndpnemmb','{"admin_key":null,"budgets":[],"cardholder":null,"controls":{},"currency":"usd","delivery":"raw","low_balance_amount":0,"name":"Demo Company","project":"prj_bkccconhjemgfaaoegljgpbenno","time_zone":"UTC","unbudgeted":false,"unknown_cards":"decline"}','0000000000000000000000000000000000000000000000000000000000000000','f1a627da0fe5748e83d45390ae56c11663513d2a4de45c8b95f387d22ded09e9');
INSERT INTO audit_records VALUES('org_bkccconhjemgmodfhcpndpnemmb',2,'aud_9f33fa760801fed35f0b3762',1795882318195647,'demo','access_key.created','key_bkccconhjgnnngppbbafdgpdmki','{"agent":null,"kind":"admin","name":"demo","prefix":"roony_admin_a85f"}','f1a627da0fe5748e83d45390ae56c11663513d2a4de45c8b95f387d22ded09e9','9f33fa760801fed35f0b3762c32fd4e243fa27d938b9a90341ecb36d51329ef7');
INSERT INTO audit_records VALUES('org_bkccconhjemgmodfhcpndpnemmb',3,'aud_84d6b22b5a6ce2dab024c786',1795882318206003,'demo','agent.created','agt_bkccconhjhmdchndhdljhnjncpd','{"budgets":[["month","usd",500000]],"controls":{"allowed_categories":["software"],"allowed_countries":["US"],"purchase_limit":50000,"tolerance_amount":0},"key":{"agent":"agt_bkccconhjhmdchndhdljhnjncpd","id":"key_bkccconhjhmhakafneijjjdknig","kind":"agent","name":"demo","prefix":"roony_agent_4400"},"name":"demo agent","project":"prj_bkccconhjemgfaaoegljgpbenno","projects":["prj_bkccconhjemgfaaoegljgpbenno"]}','9f33fa760801fed35f0b3762c32fd4e243fa27d938b9a90341ecb36d51329ef7','84d6b22b5a6ce2dab024c7869f3a735aba0661fa6b8d040ee62801c8d4a710fc');
INSERT INTO audit_records VALUES('org_bkccconhjemgmodfhcpndpnemmb',4,'aud_699ee9d7a14de4bb47c1c7c9',1795882318430355,'key_bkccconhjgnnngppbbafdgpdmki','connection.started','con_bkccconhkfnpklbedggjlcipjak','{"kind":"connect"}','84d6b22b5a6ce2dab024c7869f3a735aba0661fa6b8d040ee62801c8d4a710fc','699ee9d7a14de4bb47c1c7c9dd811e545f1ed18bd1c1c56239c72cbbf746ab01');
INSERT INTO audit_records VALUES('org_bkccconhjemgmodfhcpndpnemmb',5,'aud_5749fd56a287edcb9b49fa17',1795882318714422,'owner','connection.activated','con_bkccconhkfnpklbedggjlcipjak','{"currency":"usd","default":true,"kind":"connect","livemode":false,"resumed":false,"scope":"read_write","stripe_account":"acct_swlYWNz9i9nGlGHK"}','699ee9d7a14de4bb47c1c7c9dd811e545f1ed18bd1c1c56239c72cbbf746ab01','5749fd56a287edcb9b49fa17b71cb5ebdd59ccdfd384db6498b3069de2ac7a97');
INSERT INTO audit_records VALUES('org_bkccconhjemgmodfhcpndpnemmb',6,'aud_274c24de207c972000afe255',1795882318766594,'roony','connection.preflight','con_bkccconhkfnpklbedggjlcipjak','{"cardholder":"warning","issuing_balance":"ok","issuing_capability":"ok","livemode":"ok","other_cards":"ok","public_url":"warning","realtime_event":"ok","realtime_url":"unknown","stripe_access":"ok","timeout_declines":"unknown","webhook_endpoint":"ok","webhook_events":"ok","webhook_version":"warning"}','5749fd56a287edcb9b49fa17b71cb5ebdd59ccdfd384db6498b3069de2ac7a97','274c24de207c972000afe25551b8bbc57d4fe762326df95c9682debdd05264a4');
INSERT INTO audit_records VALUES('org_bkccconhjemgmodfhcpndpnemmb',7,'aud_604521d4b9e188d44c7f33e9',1795882318995845,'roony','connection.cardholder_made','con_bkccconhkfnpklbedggjlcipjak','{"scope":"organization","scope_id":"org_bkccconhjemgmodfhcpndpnemmb","stripe_cardholder":"ich_23nrGs8fqpOucyfBUFyWOIFp"}','274c24de207c972000afe25551b8bbc57d4fe762326df95c9682debdd05264a4','604521d4b9e188d44c7f33e90c2ae09b0db9c40592bfb6cb8df47b8406e38e49');
INSERT INTO audit_records VALUES('org_bkccconhjemgmodfhcpndpnemmb',8,'aud_3aee88639474d54b536e4043',1795882318995845,'roony','cardholder.stated','ich_23nrGs8fqpOucyfBUFyWOIFp','{"disabled_reason":null,"past_due":[],"status":"active"}','604521d4b9e188d44c7f33e90c2ae09b0db9c40592bfb6cb8df47b8406e38e49','3aee88639474d54b536e4043635eceff37097c58b7d45767a1b5b8b65257ee85');
INSERT INTO audit_records VALUES('org_bkccconhjemgmodfhcpndpnemmb',9,'aud_665eb704f55a86fd366b5004',1795882319009578,'key_bkccconhjgnnngppbbafdgpdmki','project.created','prj_bkccconhmjpjehkcnhnmfoedkap','{"budgets":[],"controls":{},"name":"Buyers"}','3aee88639474d54b536e4043635eceff37097c58b7d45767a1b5b8b65257ee85','665eb704f55a86fd366b500434d790c81bb4e940ed74e41e33fc6a1bcda4436f');
INSERT INTO audit_records VALUES('org_bkccconhjemgmodfhcpndpnemmb',10,'aud_5137fae7e54e95bd7afa32de',1795882319111035,'key_bkccconhjgnnngppbbafdgpdmki','agent.created','agt_bkccconhnagkclmafjggpgejcnn','{"budgets":[["month","usd",500000]],"controls":{"approval_threshold":100000},"key":{"agent":"agt_bkccconhnagkclmafjggpgejcnn","id":"key_bkccconhnagnaamagfjcngnjaem","kind":"agent","name":"Buyer","prefix":"roony_agent_2f97"},"name":"Buyer","project":"prj_bkccconhmjpjehkcnhnmfoedkap","projects":["prj_bkccconhmjpjehkcnhnmfoedkap"]}','665eb704f55a86fd366b500434d790c81bb4e940ed74e41e33fc6a1bcda4436f','5137fae7e54e95bd7afa32deddc8a08581eb351d3f978a380f42ee4eeecaacb6');
INSERT INTO audit_records VALUES('org_bkccconhjemgmodfhcpndpnemmb',11,'aud_9faac2ec68dbcf5232cfbad0',1795882319186902,'key_bkccconhjgnnngppbbafdgpdmki','project.created','prj_bkccconhnfcghjmahekgplcdamh','{"budgets":[],"controls":{},"name":"Stoppeds"}','5137fae7e54e95bd7afa32deddc8a08581eb351d3f978a380f42ee4eeecaacb6','9faac2ec68dbcf5232cfbad0aba370d692b0e115287e30117b0cd532baad6cf3');
INSERT INTO audit_records VALUES('org_bkccconhjemgmodfhcpndpnemmb',12,'aud_6dbcd5af34a1828aa09dea9a',1795882319304814,'key_bkccconhjgnnngppbbafdgpdmki','agent.created','agt_bkccconhnmielhifldbalnagjmf','{"budgets":[["month","usd",500000]],"controls":{"approval_threshold":100000},"key":{"agent":"agt_bkccconhnmielhifldbalnagjmf","id":"key_bkccconhnmijgjmnfmfffeleiif","kind":"agent","name":"Stopped","prefix":"roony_agent_fba9"},"name":"Stopped","project":"prj_bkccconhnfcghjmahekgplcdamh","projects":["prj_bkccconhnfcghjmahekgplcdamh"]}','9faac2ec68dbcf5232cfbad0aba370d692b0e115287e30117b0cd532baad6cf3','6dbcd5af34a1828aa09dea9a428cbf73c5c1b14b6053286732a9f069388b06f0');
INSERT INTO audit_records VALUES('org_bkccconhjemgmodfhcpndpnemmb',13,'aud_bf99f70668d3c05307b622f9',1795882319397278,'agt_bkccconhnagkclmafjggpgejcnn','purchase.asked','pur_bkccconhocehnbmlmeppojaeghd','{"agent":"agt_bkccconhnagkclmafjggpgejcnn","amount":4900,"approval":null,"currency":"usd","held":4900,"hold":4900,"merchant":"Linear","reasons":[],"spent":0,"status":"issuing","statuses":[{"agent":"agt_bkccconhnagkclmafjggpgejcnn","amount":4900,"captured":0,"currency":"usd","purchase":"pur_bkccconhocehnbmlmeppojaeghd","refunded":0,"status":"issuing","was":null}],"verdict":"approved"}','6dbcd5af34a1828aa09dea9a428cbf73c5c1b14b6053286732a9f069388b06f0','bf99f70668d3c05307b622f9802240701d7b36a7cdda4b7bb4cf4ac10659f95c');
INSERT INTO audit_records VALUES('org_bkccconhjemgmodfhcpndpnemmb',14,'aud_cf1bcf97d677c2f5e6c2e17f',1795882319443389,'roony','card.made','pur_bkccconhocehnbmlmeppojaeghd','{"agent":"agt_bkccconhnagkclmafjggpgejcnn","card":"crd_bkccconhocekhljgkljblbpmomb","held":4900,"last4":"9264","spent":0,"status":"ready","statuses":[{"agent":"agt_bkccconhnagkclmafjggpgejcnn","amount":4900,"captured":0,"currency":"usd","purchase":"pur_bkccconhocehnbmlmeppojaeghd","refunded":0,"status":"ready","was":"issuing"}],"stripe_card":"ic_nYGFpm7VSELnTVEmrDe9sblP"}','bf99f70668d3c05307b622f9802240701d7b36a7cdda4b7bb4cf4ac10659f95c','cf1bcf97d677c2f5e6c2e17f346d45b3cdbbda35be7b60e1d09ab4fe0423168d');
INSERT INTO audit_records VALUES('org_bkccconhjemgmodfhcpndpnemmb',15,'aud_1c15b6ed9bf6939ea14a0839',1795882319459085,'agt_bkccconhnagkclmafjggpgejcnn','card.delivered','pur_bkccconhocehnbmlmeppojaeghd','{"agent":"agt_bkccconhnagkclmafjggpgejcnn","card":"crd_bkccconhocekhljgkljblbpmomb","count":1,"delivery":"raw","held":4900,"purpose":"asked","spent":0,"status":"ready"}','cf1bcf97d677c2f5e6c2e17f346d45b3cdbbda35be7b60e1d09ab4fe0423168d','1c15b6ed9bf6939ea14a0839596c2d70de6b5b06dd722429f413f7f2b29c8ec9');
INSERT INTO audit_records VALUES('org_bkccconhjemgmodfhcpndpnemmb',16,'aud_6cab04a64c2c99807c2d49f8',1795882319580552,'agt_bkccconhnagkclmafjggpgejcnn','purchase.asked','pur_bkccconhonlhgfmlimglpnllgin','{"agent":"agt_bkccconhnagkclmafjggpgejcnn","amount":5000,"approval":null,"currency":"usd","held":5000,"hold":5000,"merchant":"Figma","reasons":[],"spent":0,"status":"issuing","statuses":[{"agent":"agt_bkccconhnagkclmafjggpgejcnn","amount":5000,"captured":0,"currency":"usd","purchase":"pur_bkccconhonlhgfmlimglpnllgin","refunded":0,"status":"issuing","was":null}],"verdict":"approved"}','1c15b6ed9bf6939ea14a0839596c2d70de6b5b06dd722429f413f7f2b29c8ec9','6cab04a64c2c99807c2d49f8f197672169e43a5e31ebe13f537000c46bad5008');
INSERT INTO audit_records VALUES('org_bkccconhjemgmodfhcpndpnemmb',17,'aud_0df08b748a7f31d6c386016f',1795882319609215,'roony','card.made','pur_bkccconhonlhgfmlimglpnllgin','{"agent":"agt_bkccconhnagkclmafjggpgejcnn","card":"crd_bkccconhonliioejmofofdadnhg","held":5000,"last4":"3270","spent":0,"status":"ready","statuses":[{"agent":"agt_bkccconhnagkclmafjggpgejcnn","amount":5000,"captured":0,"currency":"usd","purchase":"pur_bkccconhonlhgfmlimglpnllgin","refunded":0,"status":"ready","was":"issuing"}],"stripe_card":"ic_jleLxJ9VVNk6EJinH4WJNhvh"}','6cab04a64c2c99807c2d49f8f197672169e43a5e31ebe13f537000c46bad5008','0df08b748a7f31d6c386016f16bf5b31101432de4b5b8147709a0d2608649e25');
INSERT INTO audit_records VALUES('org_bkccconhjemgmodfhcpndpnemmb',18,'aud_908324795cb0c21b035e0adf',1795882319614843,'agt_bkccconhnagkclmafjggpgejcnn','card.delivered','pur_bkccconhonlhgfmlimglpnllgin','{"agent":"agt_bkccconhnagkclmafjggpgejcnn","card":"crd_bkccconhonliioejmofofdadnhg","count":1,"delivery":"raw","held":5000,"purpose":"asked","spent":0,"status":"ready"}','0df08b748a7f31d6c386016f16bf5b31101432de4b5b8147709a0d2608649e25','908324795cb0c21b035e0adfdac0c78638b8f90b8d8377538afe841346f68b47');
INSERT INTO audit_records VALUES('org_bkccconhjemgmodfhcpndpnemmb',19,'aud_48eec53366d7a12ec4cdf07c',1795882319727732,'roony','authorization.answered','iauth_RQem9u5H05mdnF5bKMByOJQw','{"agent":"agt_bkccconhnagkclmafjggpgejcnn","amount":5000,"approved":1,"approved_amount":5000,"category":"5734","code":"APPROVED","country":"US","currency":"usd","decision":"dec_bkccconhpgpgofdekekdgnmkion","held":5000,"merchant":"FIGMA","network_id":"3634407573","ordinal":0,"purchase":"pur_bkccconhonlhgfmlimglpnllgin","statuses":[{"agent":"agt_bkccconhnagkclmafjggpgejcnn","amount":5000,"captured":0,"currency":"usd","purchase":"pur_bkccconhonlhgfmlimglpnllgin","refunded":0,"status":"authorized","was":"ready"}]}','908324795cb0c21b035e0adfdac0c78638b8f90b8d8377538afe841346f68b47','48eec53366d7a12ec4cdf07cfafdd12a418b19fbd1a7aa85a0f2ad7922ee7eab');
INSERT INTO audit_records VALUES('org_bkccconhjemgmodfhcpndpnemmb',20,'aud_b2ab10e340098bd0f62ba8ec',1795882319774293,'stripe','merchant.network_id_pinned','figma','{"after":["3634407573"],"authorization":"iauth_RQem9u5H05mdnF5bKMByOJQw","before":[],"descriptor":"FIGMA","purchase":"pur_bkccconhonlhgfmlimglpnllgin"}','48eec53366d7a12ec4cdf07cfafdd12a418b19fbd1a7aa85a0f2ad7922ee7eab','b2ab10e340098bd0f62ba8ec171fe884c2deaa26c0fa68d787d34ca4acc5de30');
INSERT INTO audit_records VALUES('org_bkccconhjemgmodfhcpndpnemmb',21,'aud_69f62e85f72bf60d532b2a81',1795882319774293,'stripe','authorization.stated','pur_bkccconhonlhgfmlimglpnllgin','{"agent":"agt_bkccconhnagkclmafjggpgejcnn","amount":5000,"approved":true,"authorization":"iauth_RQem9u5H05mdnF5bKMByOJQw","captured":0,"currency":"usd","event":"evt_sOHCDE187eibYKbGOEZyEhub","first":false,"held":5000,"merchant":"FIGMA","spent":0,"status":"authorized","stripe_status":"pending"}','b2ab10e340098bd0f62ba8ec171fe884c2deaa26c0fa68d787d34ca4acc5de30','69f62e85f72bf60d532b2a81b10f6f89b06dea80333882590ceb75e7f03620c6');
INSERT INTO audit_records VALUES('org_bkccconhjemgmodfhcpndpnemmb',22,'aud_28957587bdf8c684876f2be4',1795882319774293,'roony','card.status_at_stripe','crd_bkccconhonliioejmofofdadnhg','{"stripe_status":"canceled"}','69f62e85f72bf60d532b2a81b10f6f89b06dea80333882590ceb75e7f03620c6','28957587bdf8c684876f2be4b9716d977f2329c713255a7f9135728912c16f94');
INSERT INTO audit_records VALUES('org_bkccconhjemgmodfhcpndpnemmb',23,'aud_785eaf15e9b5ba541c54c00c',1795882319988788,'agt_bkccconhnagkclmafjggpgejcnn','purchase.asked','pur_bkccconiahenoaahhhklfjbglle','{"agent":"agt_bkccconhnagkclmafjggpgejcnn","amount":3000,"approval":null,"currency":"usd","held":3000,"hold":3000,"merchant":"Notion","reasons":[],"spent":0,"status":"issuing","statuses":[{"agent":"agt_bkccconhnagkclmafjggpgejcnn","amount":3000,"captured":0,"currency":"usd","purchase":"pur_bkccconiahenoaahhhklfjbglle","refunded":0,"status":"issuing","was":null}],"verdict":"approved"}','28957587bdf8c684876f2be4b9716d977f2329c713255a7f9135728912c16f94','785eaf15e9b5ba541c54c00ccb110ffcfbba10ef506931ee6aaf09f86327f6cc');
INSERT INTO audit_records VALUES('org_bkccconhjemgmodfhcpndpnemmb',24,'aud_0f3abe86c4deb5f8c0daf273',1795882320020992,'roony','card.made','pur_bkccconiahenoaahhhklfjbglle','{"agent":"agt_bkccconhnagkclmafjggpgejcnn","card":"crd_bkccconiaheghinifgbjkcmdmmp","held":3000,"last4":"4719","spent":0,"status":"ready","statuses":[{"agent":"agt_bkccconhnagkclmafjggpgejcnn","amount":3000,"captured":0,"currency":"usd","purchase":"pur_bkccconiahenoaahhhklfjbglle","refunded":0,"status":"ready","was":"issuing"}],"stripe_card":"ic_A9zlbGOam6aPwYWCJbGSBSE3"}','785eaf15e9b5ba541c54c00ccb110ffcfbba10ef506931ee6aaf09f86327f6cc','0f3abe86c4deb5f8c0daf273740d35917ab866b7f26af3cbaab85f4e20200d24');
INSERT INTO audit_records VALUES('org_bkccconhjemgmodfhcpndpnemmb',25,'aud_f22db952e8724e037a413d6d',1795882320031000,'agt_bkccconhnagkclmafjggpgejcnn','card.delivered','pur_bkccconiahenoaahhhklfjbglle','{"agent":"agt_bkccconhnagkclmafjggpgejcnn","card":"crd_bkccconiaheghinifgbjkcmdmmp","count":1,"delivery":"raw","held":3000,"purpose":"asked","spent":0,"status":"ready"}','0f3abe86c4deb5f8c0daf273740d35917ab866b7f26af3cbaab85f4e20200d24','f22db952e8724e037a413d6dc0a5722fe7149fc2f12216ffa80fa7f0db8aaa12');
INSERT INTO audit_records VALUES('org_bkccconhjemgmodfhcpndpnemmb',26,'aud_c928f02f5e69da74a3945227',1795882320434103,'roony','authorization.answered','iauth_Y74LlIXRLJsYLn9Ll3a2TQ2J','{"agent":"agt_bkccconhnagkclmafjggpgejcnn","amount":3000,"approved":1,"approved_amount":3000,"category":"5734","code":"APPROVED","country":"US","currency":"usd","decision":"dec_bkccconiccpopkmafhmaoedmmmi","held":3000,"merchant":"NOTION","network_id":"5964677161","ordinal":0,"purchase":"pur_bkccconiahenoaahhhklfjbglle","statuses":[{"agent":"agt_bkccconhnagkclmafjggpgejcnn","amount":3000,"captured":0,"currency":"usd","purchase":"pur_bkccconiahenoaahhhklfjbglle","refunded":0,"status":"authorized","was":"ready"}]}','f22db952e8724e037a413d6dc0a5722fe7149fc2f12216ffa80fa7f0db8aaa12','c928f02f5e69da74a3945227a817022d71530b8ca8e9bea52fc3d27f60ee83cf');
INSERT INTO audit_records VALUES('org_bkccconhjemgmodfhcpndpnemmb',27,'aud_7e7b1261ab0132be124f3824',1795882320478996,'roony','card.status_at_stripe','crd_bkccconiaheghinifgbjkcmdmmp','{"stripe_status":"canceled"}','c928f02f5e69da74a3945227a817022d71530b8ca8e9bea52fc3d27f60ee83cf','7e7b1261ab0132be124f3824a1545b7b8c8ea33d1baeac8c8b82ee5e6e5ddc32');
INSERT INTO audit_records VALUES('org_bkccconhjemgmodfhcpndpnemmb',28,'aud_6054a8057330dbc1bcc47dd1',1795882320482354,'stripe','merchant.network_id_pinned','notion','{"after":["5964677161"],"authorization":"iauth_Y74LlIXRLJsYLn9Ll3a2TQ2J","before":[],"descriptor":"NOTION","purchase":"pur_bkccconiahenoaahhhklfjbglle"}','7e7b1261ab0132be124f3824a1545b7b8c8ea33d1baeac8c8b82ee5e6e5ddc32','6054a8057330dbc1bcc47dd1588d75f2077a2429c342dee3af293e9dde4dd722');
INSERT INTO audit_records VALUES('org_bkccconhjemgmodfhcpndpnemmb',29,'aud_351145fce774bc14c918ea10',1795882320482354,'stripe','authorization.stated','pur_bkccconiahenoaahhhklfjbglle','{"agent":"agt_bkccconhnagkclmafjggpgejcnn","amount":3000,"approved":true,"authorization":"iauth_Y74LlIXRLJsYLn9Ll3a2TQ2J","captured":0,"currency":"usd","event":"evt_x4PKRRbjuykttAdardmU0jXY","first":false,"held":3000,"merchant":"NOTION","spent":0,"status":"authorized","stripe_status":"pending"}','6054a8057330dbc1bcc47dd1588d75f2077a2429c342dee3af293e9dde4dd722','351145fce774bc14c918ea10960c48f99766a01c06e3d9b4df2a0060fe68f22d');
INSERT INTO audit_records VALUES('org_bkccconhjemgmodfhcpndpnemmb',30,'aud_3d053ce5f6f19f0fae8af3f4',1795882320501917,'stripe','stripe_transaction.capture','ipi_BpUipI5k3Ff49WywlilCzKIe','{"amount":3000,"authorization":"iauth_Y74LlIXRLJsYLn9Ll3a2TQ2J","merchant":"NOTION","purchase":"pur_bkccconiahenoaahhhklfjbglle","stripe_transaction":"ipi_BpUipI5k3Ff49WywlilCzKIe","type":"capture"}','351145fce774bc14c918ea10960c48f99766a01c06e3d9b4df2a0060fe68f22d','3d053ce5f6f19f0fae8af3f4d50d074538e5762fbd3b0a0fb921fcff87a9cc86');
INSERT INTO audit_records VALUES('org_bkccconhjemgmodfhcpndpnemmb',31,'aud_2d9b9f5b27b44b5dcb7dc2d9',1795882320501917,'stripe','purchase.booked','pur_bkccconiahenoaahhhklfjbglle','{"agent":"agt_bkccconhnagkclmafjggpgejcnn","captured":3000,"held":0,"refunded":0,"spent":3000,"status":"authorized"}','3d053ce5f6f19f0fae8af3f4d50d074538e5762fbd3b0a0fb921fcff87a9cc86','2d9b9f5b27b44b5dcb7dc2d9c28a0dd08118b824981a148777ce3cbee68c29ac');
INSERT INTO audit_records VALUES('org_bkccconhjemgmodfhcpndpnemmb',32,'aud_e46bd7e8ba9b95511ccdc0bb',1795882320501917,'stripe','authorization.stated','pur_bkccconiahenoaahhhklfjbglle','{"agent":"agt_bkccconhnagkclmafjggpgejcnn","amount":3000,"approved":true,"authorization":"iauth_Y74LlIXRLJsYLn9Ll3a2TQ2J","captured":3000,"currency":"usd","event":"evt_9HEZMzarwM1Rv2M2gkCY7LCn","first":false,"held":0,"merchant":"NOTION","spent":3000,"status":"settled","statuses":[{"agent":"agt_bkccconhnagkclmafjggpgejcnn","amount":3000,"captured":3000,"currency":"usd","purchase":"pur_bkccconiahenoaahhhklfjbglle","refunded":0,"status":"settled","was":"authorized"}],"stripe_status":"closed"}','2d9b9f5b27b44b5dcb7dc2d9c28a0dd08118b824981a148777ce3cbee68c29ac','e46bd7e8ba9b95511ccdc0bb2b24ccdb35187c11110b044852be3325249d5847');
INSERT INTO audit_records VALUES('org_bkccconhjemgmodfhcpndpnemmb',33,'aud_7f087f12379b8af9477c894d',1795882320540876,'agt_bkccconhnmielhifldbalnagjmf','purchase.asked','pur_bkccconicjmnklnkaajapcfnlpj','{"agent":"agt_bkccconhnmielhifldbalnagjmf","amount":2000,"approval":null,"currency":"usd","held":2000,"hold":2000,"merchant":"GitHub","reasons":[],"spent":0,"status":"issuing","statuses":[{"agent":"agt_bkccconhnmielhifldbalnagjmf","amount":2000,"captured":0,"currency":"usd","purchase":"pur_bkccconicjmnklnkaajapcfnlpj","refunded":0,"status":"issuing","was":null}],"verdict":"approved"}','e46bd7e8ba9b95511ccdc0bb2b24ccdb35187c11110b044852be3325249d5847','7f087f12379b8af9477c894d383ee6dd8f220658a43af6b335592f45540c7f99');
INSERT INTO audit_records VALUES('org_bkccconhjemgmodfhcpndpnemmb',34,'aud_221320bd800842ab1d5e08b7',1795882320560712,'roony','card.made','pur_bkccconicjmnklnkaajapcfnlpj','{"agent":"agt_bkccconhnmielhifldbalnagjmf","card":"crd_bkccconicjmmkpcmhojhcaipaed","held":2000,"last4":"1710","spent":0,"status":"ready","statuses":[{"agent":"agt_bkccconhnmielhifldbalnagjmf","amount":2000,"captured":0,"currency":"usd","purchase":"pur_bkccconicjmnklnkaajapcfnlpj","refunded":0,"status":"ready","was":"issuing"}],"stripe_card":"ic_LJvWvpPWVxpL9QZTiVhdUb4J"}','7f087f12379b8af9477c894d383ee6dd8f220658a43af6b335592f45540c7f99','221320bd800842ab1d5e08b79bebb714801b5f2528e1626de455c4ecc7a74deb');
INSERT INTO audit_records VALUES('org_bkccconhjemgmodfhcpndpnemmb',35,'aud_e5356dcb6e2160cd648bf01a',1795882320563820,'agt_bkccconhnmielhifldbalnagjmf','card.delivered','pur_bkccconicjmnklnkaajapcfnlpj','{"agent":"agt_bkccconhnmielhifldbalnagjmf","card":"crd_bkccconicjmmkpcmhojhcaipaed","count":1,"delivery":"raw","held":2000,"purpose":"asked","spent":0,"status":"ready"}','221320bd800842ab1d5e08b79bebb714801b5f2528e1626de455c4ecc7a74deb','e5356dcb6e2160cd648bf01ad6926e17a6ca0ad4b5d42ab2b4d8f289937d973d');
INSERT INTO audit_records VALUES('org_bkccconhjemgmodfhcpndpnemmb',36,'aud_4c58c8ab6db7bd14880ccabf',1795882320650437,'roony','authorization.answered','iauth_5bjI6boBcyYYXgHkWT45vQRL','{"agent":"agt_bkccconhnmielhifldbalnagjmf","amount":2000,"approved":1,"approved_amount":2000,"category":"5734","code":"APPROVED","country":"US","currency":"usd","decision":"dec_bkccconidakkneobchlnfdknfml","held":2000,"merchant":"GITHUB","network_id":"8142800778","ordinal":0,"purchase":"pur_bkccconicjmnklnkaajapcfnlpj","statuses":[{"agent":"agt_bkccconhnmielhifldbalnagjmf","amount":2000,"captured":0,"currency":"usd","purchase":"pur_bkccconicjmnklnkaajapcfnlpj","refunded":0,"status":"authorized","was":"ready"}]}','e5356dcb6e2160cd648bf01ad6926e17a6ca0ad4b5d42ab2b4d8f289937d973d','4c58c8ab6db7bd14880ccabf40925650740fb0c6ff7b16e66e2d0dacc2084f6f');
INSERT INTO audit_records VALUES('org_bkccconhjemgmodfhcpndpnemmb',37,'aud_1556434496bfae8b2c3be095',1795882320696031,'roony','card.status_at_stripe','crd_bkccconicjmmkpcmhojhcaipaed','{"stripe_status":"canceled"}','4c58c8ab6db7bd14880ccabf40925650740fb0c6ff7b16e66e2d0dacc2084f6f','1556434496bfae8b2c3be095b27f47639f67ca58bd66f47f219a03d58988ff25');
INSERT INTO audit_records VALUES('org_bkccconhjemgmodfhcpndpnemmb',38,'aud_4985ae437cc1b236ba395aa3',1795882320701812,'stripe','merchant.network_id_pinned','github','{"after":["8142800778"],"authorization":"iauth_5bjI6boBcyYYXgHkWT45vQRL","before":[],"descriptor":"GITHUB","purchase":"pur_bkccconicjmnklnkaajapcfnlpj"}','1556434496bfae8b2c3be095b27f47639f67ca58bd66f47f219a03d58988ff25','4985ae437cc1b236ba395aa356d2f786b59919aaba92ecc065c013de6d2064be');
INSERT INTO audit_records VALUES('org_bkccconhjemgmodfhcpndpnemmb',39,'aud_aab18d639daff790451b8fab',1795882320701812,'stripe','authorization.stated','pur_bkccconicjmnklnkaajapcfnlpj','{"agent":"agt_bkccconhnmielhifldbalnagjmf","amount":2000,"approved":true,"authorization":"iauth_5bjI6boBcyYYXgHkWT45vQRL","captured":0,"currency":"usd","event":"evt_ofJOj0BTvoa2xuXA06ud9Jo4","first":false,"held":2000,"merchant":"GITHUB","spent":0,"status":"authorized","stripe_status":"pending"}','4985ae437cc1b236ba395aa356d2f786b59919aaba92ecc065c013de6d2064be','aab18d639daff790451b8fabae08943827bf8173a6c05e8b2fb5b19ed8c210a4');
INSERT INTO audit_records VALUES('org_bkccconhjemgmodfhcpndpnemmb',40,'aud_58f1dc5519fae0e6b63a6c82',1795882320737973,'agt_bkccconhnagkclmafjggpgejcnn','purchase.asked','pur_bkccconidgaoomemjcpbkdagfgj','{"agent":"agt_bkccconhnagkclmafjggpgejcnn","amount":200000,"approval":"apr_bkccconidgamncejnjfhibnelaj","currency":"usd","held":200000,"hold":200000,"merchant":"Adobe","reasons":["APPROVAL_OVER_THRESHOLD"],"spent":0,"status":"awaiting_approval","statuses":[{"agent":"agt_bkccconhnagkclmafjggpgejcnn","amount":200000,"captured":0,"currency":"usd","purchase":"pur_bkccconidgaoomemjcpbkdagfgj","refunded":0,"status":"awaiting_approval","was":null}],"verdict":"needs_approval"}','aab18d639daff790451b8fabae08943827bf8173a6c05e8b2fb5b19ed8c210a4','58f1dc5519fae0e6b63a6c82d1abac5b49c3aff608d67b718d6d948781862ebf');
INSERT INTO audit_records VALUES('org_bkccconhjemgmodfhcpndpnemmb',41,'aud_b42ebc2f0f3fe9c0b62846b4',1795882320859480,'key_bkccconhjgnnngppbbafdgpdmki','agent.frozen','agt_bkccconhnmielhifldbalnagjmf','{"after":1795882320859480,"before":null}','58f1dc5519fae0e6b63a6c82d1abac5b49c3aff608d67b718d6d948781862ebf','b42ebc2f0f3fe9c0b62846b4923e7da450dbd587e1517e9d77481cf5adf013ad');
INSERT INTO authorization_decisions VALUES('org_bkccconhjemgmodfhcpndpnemmb','iauth_RQem9u5H05mdnF5bKMByOJQw',0,5000,'dec_bkccconhpgpgofdekekdgnmkion','pur_bkccconhonlhgfmlimglpnllgin',1,5000,'APPROVED','approved',1795882319727732);
INSERT INTO authorization_decisions VALUES('org_bkccconhjemgmodfhcpndpnemmb','iauth_Y74LlIXRLJsYLn9Ll3a2TQ2J',0,3000,'dec_bkccconiccpopkmafhmaoedmmmi','pur_bkccconiahenoaahhhklfjbglle',1,3000,'APPROVED','approved',1795882320434103);
INSERT INTO authorization_decisions VALUES('org_bkccconhjemgmodfhcpndpnemmb','iauth_5bjI6boBcyYYXgHkWT45vQRL',0,2000,'dec_bkccconidakkneobchlnfdknfml','pur_bkccconicjmnklnkaajapcfnlpj',1,2000,'APPROVED','approved',1795882320650437);
INSERT INTO authorizations VALUES('org_bkccconhjemgmodfhcpndpnemmb','iauth_RQem9u5H05mdnF5bKMByOJQw','con_bkccconhkfnpklbedggjlcipjak','pur_bkccconhonlhgfmlimglpnllgin','crd_bkccconhonliioejmofofdadnhg','ic_jleLxJ9VVNk6EJinH4WJNhvh','pending',1,0,0,5000,0,'usd',5000,'usd','{"name": "FIGMA", "category": "5734", "country": "US", "network_id": "3634407573"}','280456371749845',1,1,0,1795882319,1795882319727732,1795882319774293,'[[true, "webhook_approved", 5000]]','{}',1795882319774293,1795882319000000,0);
INSERT INTO authorizations VALUES('org_bkccconhjemgmodfhcpndpnemmb','iauth_Y74LlIXRLJsYLn9Ll3a2TQ2J','con_bkccconhkfnpklbedggjlcipjak','pur_bkccconiahenoaahhhklfjbglle','crd_bkccconiaheghinifgbjkcmdmmp','ic_A9zlbGOam6aPwYWCJbGSBSE3','closed',1,0,0,3000,3000,'usd',3000,'usd','{"name": "NOTION", "category": "5734", "country": "US", "network_id": "5964677161"}','233139803697016',1,3,2,1795882320,1795882320434103,1795882320501917,'[[true, "webhook_approved", 3000]]','{"closed": ["ipi_BpUipI5k3Ff49WywlilCzKIe"]}',1795882320501917,1795882320000000,0);
INSERT INTO authorizations VALUES('org_bkccconhjemgmodfhcpndpnemmb','iauth_5bjI6boBcyYYXgHkWT45vQRL','con_bkccconhkfnpklbedggjlcipjak','pur_bkccconicjmnklnkaajapcfnlpj','crd_bkccconicjmmkpcmhojhcaipaed','ic_LJvWvpPWVxpL9QZTiVhdUb4J','pending',1,0,0,2000,0,'usd',2000,'usd','{"name": "GITHUB", "category": "5734", "country": "US", "network_id": "8142800778"}','206214293160884',1,1,0,1795882320,1795882320650437,1795882320701812,'[[true, "webhook_approved", 2000]]','{}',1795882320701812,1795882320000000,0);
INSERT INTO budget_periods VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_2c3dfa40e62bc7a736310bea',1793491200000000,209900,3000);
INSERT INTO budget_periods VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_369fc23f9552d0d0a14b5c6e',1793491200000000,211900,3000);
INSERT INTO budget_periods VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_52ad4cb4aad4175df69c5729',1795392000000000,211900,3000);
INSERT INTO budget_periods VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_5b19046965270560002ae3d6',0,209900,3000);
INSERT INTO budget_periods VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_73cba128181f4a0e4acecbe2',1795824000000000,209900,3000);
INSERT INTO budget_periods VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_8c37d77a98940bc2c5c97039',0,209900,3000);
INSERT INTO budget_periods VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_918134c435bf10e6632b92f1',1795824000000000,211900,3000);
INSERT INTO budget_periods VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_b6e8c22153e25efcfc29951f',1795392000000000,209900,3000);
INSERT INTO budget_periods VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_d3e30403d429613545282ec9',1793491200000000,209900,3000);
INSERT INTO budget_periods VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_d5115d6fb19a2ebf4a6fa96e',1795392000000000,209900,3000);
INSERT INTO budget_periods VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_d782c1597168f2fb4eb283eb',0,211900,3000);
INSERT INTO budget_periods VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_e6dc3da28864b5f494d61886',1795824000000000,209900,3000);
INSERT INTO budget_periods VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_4a6aec45a80236b24a4c792c',1795824000000000,2000,0);
INSERT INTO budget_periods VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_5d967a14433244875e81c1a7',1795392000000000,2000,0);
INSERT INTO budget_periods VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_7266161a501fa56cc645333d',1793491200000000,2000,0);
INSERT INTO budget_periods VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_744ff713f837319e397278fd',0,2000,0);
INSERT INTO budget_periods VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_99ef24155ed69c4031ff0a0b',1795392000000000,2000,0);
INSERT INTO budget_periods VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_d9c6c66ec8b4fb3949103bca',1793491200000000,2000,0);
INSERT INTO budget_periods VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_eb11c9f67b0ab816d51cf946',0,2000,0);
INSERT INTO budget_periods VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_ee88c4fea64d2c23e8a205c5',1795824000000000,2000,0);
INSERT INTO budgets VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_918134c435bf10e6632b92f1','organization','org_bkccconhjemgmodfhcpndpnemmb','usd','day','UTC',NULL,1795882318156314);
INSERT INTO budgets VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_52ad4cb4aad4175df69c5729','organization','org_bkccconhjemgmodfhcpndpnemmb','usd','week','UTC',NULL,1795882318156314);
INSERT INTO budgets VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_369fc23f9552d0d0a14b5c6e','organization','org_bkccconhjemgmodfhcpndpnemmb','usd','month','UTC',NULL,1795882318156314);
INSERT INTO budgets VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_d782c1597168f2fb4eb283eb','organization','org_bkccconhjemgmodfhcpndpnemmb','usd','lifetime','UTC',NULL,1795882318156314);
INSERT INTO budgets VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_ad634a92150ade2d368e1b02','project','prj_bkccconhjemgfaaoegljgpbenno','usd','day','UTC',NULL,1795882318156314);
INSERT INTO budgets VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_0bfb92d9b5d316d24d7fffb7','project','prj_bkccconhjemgfaaoegljgpbenno','usd','week','UTC',NULL,1795882318156314);
INSERT INTO budgets VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_746cf884e89776cb54eba270','project','prj_bkccconhjemgfaaoegljgpbenno','usd','month','UTC',NULL,1795882318156314);
INSERT INTO budgets VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_a663d1fa2311be13d4829d42','project','prj_bkccconhjemgfaaoegljgpbenno','usd','lifetime','UTC',NULL,1795882318156314);
INSERT INTO budgets VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_29a06f8a6839d3eba4d0adbd','agent','agt_bkccconhjhmdchndhdljhnjncpd','usd','day','UTC',NULL,1795882318206003);
INSERT INTO budgets VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_df651a78e5d6a3ee8c095dc6','agent','agt_bkccconhjhmdchndhdljhnjncpd','usd','week','UTC',NULL,1795882318206003);
INSERT INTO budgets VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_584095e735ed5b281ee1d2ac','agent','agt_bkccconhjhmdchndhdljhnjncpd','usd','month','UTC',500000,1795882318206003);
INSERT INTO budgets VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_5a8c5ed872f1e92319065d1d','agent','agt_bkccconhjhmdchndhdljhnjncpd','usd','lifetime','UTC',NULL,1795882318206003);
INSERT INTO budgets VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_e6dc3da28864b5f494d61886','project','prj_bkccconhmjpjehkcnhnmfoedkap','usd','day','UTC',NULL,1795882319009578);
INSERT INTO budgets VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_d5115d6fb19a2ebf4a6fa96e','project','prj_bkccconhmjpjehkcnhnmfoedkap','usd','week','UTC',NULL,1795882319009578);
INSERT INTO budgets VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_2c3dfa40e62bc7a736310bea','project','prj_bkccconhmjpjehkcnhnmfoedkap','usd','month','UTC',NULL,1795882319009578);
INSERT INTO budgets VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_5b19046965270560002ae3d6','project','prj_bkccconhmjpjehkcnhnmfoedkap','usd','lifetime','UTC',NULL,1795882319009578);
INSERT INTO budgets VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_73cba128181f4a0e4acecbe2','agent','agt_bkccconhnagkclmafjggpgejcnn','usd','day','UTC',NULL,1795882319111035);
INSERT INTO budgets VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_b6e8c22153e25efcfc29951f','agent','agt_bkccconhnagkclmafjggpgejcnn','usd','week','UTC',NULL,1795882319111035);
INSERT INTO budgets VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_d3e30403d429613545282ec9','agent','agt_bkccconhnagkclmafjggpgejcnn','usd','month','UTC',500000,1795882319111035);
INSERT INTO budgets VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_8c37d77a98940bc2c5c97039','agent','agt_bkccconhnagkclmafjggpgejcnn','usd','lifetime','UTC',NULL,1795882319111035);
INSERT INTO budgets VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_4a6aec45a80236b24a4c792c','project','prj_bkccconhnfcghjmahekgplcdamh','usd','day','UTC',NULL,1795882319186902);
INSERT INTO budgets VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_99ef24155ed69c4031ff0a0b','project','prj_bkccconhnfcghjmahekgplcdamh','usd','week','UTC',NULL,1795882319186902);
INSERT INTO budgets VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_7266161a501fa56cc645333d','project','prj_bkccconhnfcghjmahekgplcdamh','usd','month','UTC',NULL,1795882319186902);
INSERT INTO budgets VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_744ff713f837319e397278fd','project','prj_bkccconhnfcghjmahekgplcdamh','usd','lifetime','UTC',NULL,1795882319186902);
INSERT INTO budgets VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_ee88c4fea64d2c23e8a205c5','agent','agt_bkccconhnmielhifldbalnagjmf','usd','day','UTC',NULL,1795882319304814);
INSERT INTO budgets VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_5d967a14433244875e81c1a7','agent','agt_bkccconhnmielhifldbalnagjmf','usd','week','UTC',NULL,1795882319304814);
INSERT INTO budgets VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_d9c6c66ec8b4fb3949103bca','agent','agt_bkccconhnmielhifldbalnagjmf','usd','month','UTC',500000,1795882319304814);
INSERT INTO budgets VALUES('org_bkccconhjemgmodfhcpndpnemmb','bud_eb11c9f67b0ab816d51cf946','agent','agt_bkccconhnmielhifldbalnagjmf','usd','lifetime','UTC',NULL,1795882319304814);
INSERT INTO cardholder_choices VALUES('made up','made up','made up','made up',1,1);
INSERT INTO cardholders VALUES('org_bkccconhjemgmodfhcpndpnemmb','con_bkccconhkfnpklbedggjlcipjak','org_bkccconhjemgmodfhcpndpnemmb','organization','{"type": "company", "billing": {"address": {"line1": "510 Townsend Street", "city": "San Francisco", "state": "CA", "postal_code": "94103", "country": "US"}}, "name": "Demo Company", "metadata": {"roony_organization": "org_bkccconhjemgmodfhcpndpnemmb", "roony_connection": "con_bkccconhkfnpklbedggjlcipjak"}}',1,'ich_23nrGs8fqpOucyfBUFyWOIFp','active','{"past_due": [], "disabled_reason": null}',1795882318,1795882318714422,1795882318995845,NULL);
INSERT INTO cards VALUES('org_bkccconhjemgmodfhcpndpnemmb','crd_bkccconhocekhljgkljblbpmomb','pur_bkccconhocehnbmlmeppojaeghd','con_bkccconhkfnpklbedggjlcipjak','ic_nYGFpm7VSELnTVEmrDe9sblP','active','active','usd',4900,'9264',8,2029,1795885919397278,1,1795882319397278,1795882319459085,0,NULL,NULL,NULL);
INSERT INTO cards VALUES('org_bkccconhjemgmodfhcpndpnemmb','crd_bkccconhonliioejmofofdadnhg','pur_bkccconhonlhgfmlimglpnllgin','con_bkccconhkfnpklbedggjlcipjak','ic_jleLxJ9VVNk6EJinH4WJNhvh','used','canceled','usd',5000,'3270',9,2029,1795885919580552,1,1795882319580552,1795882319774293,0,NULL,NULL,NULL);
INSERT INTO cards VALUES('org_bkccconhjemgmodfhcpndpnemmb','crd_bkccconiaheghinifgbjkcmdmmp','pur_bkccconiahenoaahhhklfjbglle','con_bkccconhkfnpklbedggjlcipjak','ic_A9zlbGOam6aPwYWCJbGSBSE3','used','canceled','usd',3000,'4719',6,2029,1795885919988788,1,1795882319988788,1795882320478996,0,NULL,NULL,NULL);
INSERT INTO cards VALUES('org_bkccconhjemgmodfhcpndpnemmb','crd_bkccconicjmmkpcmhojhcaipaed','pur_bkccconicjmnklnkaajapcfnlpj','con_bkccconhkfnpklbedggjlcipjak','ic_LJvWvpPWVxpL9QZTiVhdUb4J','used','canceled','usd',2000,'1710',5,2029,1795885920540876,1,1795882320540876,1795882320696031,0,NULL,NULL,NULL);
INSERT INTO confirmations VALUES('made up','made up','made up','made up','made up',1,1,'made up',1);
INSERT INTO connection_secrets VALUES('org_bkccconhjemgmodfhcpndpnemmb','con_bkccconhkfnpklbedggjlcipjak','access_token','v1.a0cd45b9.mIG2wAO2V1bj0XFiGHc0B7ECs1aOPDhGDBXXPIfg4XBL881WimvG6n44OElsYlcr-rezqTuvWHEoUhYKwXkE7C8yaWB3QKE0mKWajbRVbiqwnqjI',1795882318714422);
INSERT INTO connection_secrets VALUES('org_bkccconhjemgmodfhcpndpnemmb','con_bkccconhkfnpklbedggjlcipjak','refresh_token','v1.a0cd45b9.OzgoouP6j1lZFqRYVMBw6O2zPtnnaipoHVMcSmCv_RPyum7Rrv6hU9WEDJaZx97sitW1JYxgZvkc1F4Mv6evgY42WoSpWEPYTdke82yU9A',1795882318714422);
INSERT INTO connections VALUES('org_bkccconhjemgmodfhcpndpnemmb','con_bkccconhkfnpklbedggjlcipjak','connect','active','acct_swlYWNz9i9nGlGHK',0,'read_write','usd',NULL,1795882318430355,1795882318714422,NULL,'{}','active',1795882318734205,1795882318714422,'{}','acct_859seeiwgqDA4pbO');
INSERT INTO controls VALUES('org_bkccconhjemgmodfhcpndpnemmb','ctl_5b650f41dcd771f564145ace','agent','agt_bkccconhjhmdchndhdljhnjncpd',1,'{"allowed_categories": ["software"], "allowed_countries": ["US"], "purchase_limit": 50000, "tolerance_amount": 0}',1795882318206003);
INSERT INTO controls VALUES('org_bkccconhjemgmodfhcpndpnemmb','ctl_b6dcfbf1797ae7dcaf605737','agent','agt_bkccconhnagkclmafjggpgejcnn',1,'{"approval_threshold": 100000}',1795882319111035);
INSERT INTO controls VALUES('org_bkccconhjemgmodfhcpndpnemmb','ctl_8cde10ca21272323d796616d','agent','agt_bkccconhnmielhifldbalnagjmf',1,'{"approval_threshold": 100000}',1795882319304814);
INSERT INTO discrepancies VALUES('made up','made up','made up','made up','made up','made up','made up','made up','made up','made up','made up',1,1);
INSERT INTO disputes VALUES('made up','made up','made up','made up','made up','made up',1,'made up',1,'made up',1,1,1,1);
INSERT INTO entries VALUES('org_bkccconhjemgmodfhcpndpnemmb','pur_bkccconhocehnbmlmeppojaeghd',1,'hold_bkccconhocejkobnacnlhaflmhc','hold',4900,0,1795882319397278);
INSERT INTO entries VALUES('org_bkccconhjemgmodfhcpndpnemmb','pur_bkccconhonlhgfmlimglpnllgin',1,'hold_bkccconhonlfpadjjnekkcakmel','hold',5000,0,1795882319580552);
INSERT INTO entries VALUES('org_bkccconhjemgmodfhcpndpnemmb','pur_bkccconiahenoaahhhklfjbglle',1,'hold_bkccconiahemnkacfcegdpjdiia','hold',3000,0,1795882319988788);
INSERT INTO entries VALUES('org_bkccconhjemgmodfhcpndpnemmb','pur_bkccconiahenoaahhhklfjbglle',2,'hold_bkccconiahemnkacfcegdpjdiia','capture',-3000,3000,1795882320501917);
INSERT INTO entries VALUES('org_bkccconhjemgmodfhcpndpnemmb','pur_bkccconicjmnklnkaajapcfnlpj',1,'hold_bkccconicjmkgnkphgjbeoiemnd','hold',2000,0,1795882320540876);
INSERT INTO entries VALUES('org_bkccconhjemgmodfhcpndpnemmb','pur_bkccconidgaoomemjcpbkdagfgj',1,'hold_bkccconidgandfmdhjgidgppnlg','hold',200000,0,1795882320737973);
INSERT INTO holds VALUES('org_bkccconhjemgmodfhcpndpnemmb','hold_bkccconhocejkobnacnlhaflmhc','pur_bkccconhocehnbmlmeppojaeghd',4900,'usd','[["bud_73cba128181f4a0e4acecbe2", 1795824000000000], ["bud_8c37d77a98940bc2c5c97039", 0], ["bud_d3e30403d429613545282ec9", 1793491200000000], ["bud_b6e8c22153e25efcfc29951f", 1795392000000000], ["bud_e6dc3da28864b5f494d61886", 1795824000000000], ["bud_5b19046965270560002ae3d6", 0], ["bud_2c3dfa40e62bc7a736310bea", 1793491200000000], ["bud_d5115d6fb19a2ebf4a6fa96e", 1795392000000000], ["bud_918134c435bf10e6632b92f1", 1795824000000000], ["bud_d782c1597168f2fb4eb283eb", 0], ["bud_369fc23f9552d0d0a14b5c6e", 1793491200000000], ["bud_52ad4cb4aad4175df69c5729", 1795392000000000]]',1795882319397278);
INSERT INTO holds VALUES('org_bkccconhjemgmodfhcpndpnemmb','hold_bkccconhonlfpadjjnekkcakmel','pur_bkccconhonlhgfmlimglpnllgin',5000,'usd','[["bud_73cba128181f4a0e4acecbe2", 1795824000000000], ["bud_8c37d77a98940bc2c5c97039", 0], ["bud_d3e30403d429613545282ec9", 1793491200000000], ["bud_b6e8c22153e25efcfc29951f", 1795392000000000], ["bud_e6dc3da28864b5f494d61886", 1795824000000000], ["bud_5b19046965270560002ae3d6", 0], ["bud_2c3dfa40e62bc7a736310bea", 1793491200000000], ["bud_d5115d6fb19a2ebf4a6fa96e", 1795392000000000], ["bud_918134c435bf10e6632b92f1", 1795824000000000], ["bud_d782c1597168f2fb4eb283eb", 0], ["bud_369fc23f9552d0d0a14b5c6e", 1793491200000000], ["bud_52ad4cb4aad4175df69c5729", 1795392000000000]]',1795882319580552);
INSERT INTO holds VALUES('org_bkccconhjemgmodfhcpndpnemmb','hold_bkccconiahemnkacfcegdpjdiia','pur_bkccconiahenoaahhhklfjbglle',3000,'usd','[["bud_73cba128181f4a0e4acecbe2", 1795824000000000], ["bud_8c37d77a98940bc2c5c97039", 0], ["bud_d3e30403d429613545282ec9", 1793491200000000], ["bud_b6e8c22153e25efcfc29951f", 1795392000000000], ["bud_e6dc3da28864b5f494d61886", 1795824000000000], ["bud_5b19046965270560002ae3d6", 0], ["bud_2c3dfa40e62bc7a736310bea", 1793491200000000], ["bud_d5115d6fb19a2ebf4a6fa96e", 1795392000000000], ["bud_918134c435bf10e6632b92f1", 1795824000000000], ["bud_d782c1597168f2fb4eb283eb", 0], ["bud_369fc23f9552d0d0a14b5c6e", 1793491200000000], ["bud_52ad4cb4aad4175df69c5729", 1795392000000000]]',1795882319988788);
INSERT INTO holds VALUES('org_bkccconhjemgmodfhcpndpnemmb','hold_bkccconicjmkgnkphgjbeoiemnd','pur_bkccconicjmnklnkaajapcfnlpj',2000,'usd','[["bud_ee88c4fea64d2c23e8a205c5", 1795824000000000], ["bud_eb11c9f67b0ab816d51cf946", 0], ["bud_d9c6c66ec8b4fb3949103bca", 1793491200000000], ["bud_5d967a14433244875e81c1a7", 1795392000000000], ["bud_4a6aec45a80236b24a4c792c", 1795824000000000], ["bud_744ff713f837319e397278fd", 0], ["bud_7266161a501fa56cc645333d", 1793491200000000], ["bud_99ef24155ed69c4031ff0a0b", 1795392000000000], ["bud_918134c435bf10e6632b92f1", 1795824000000000], ["bud_d782c1597168f2fb4eb283eb", 0], ["bud_369fc23f9552d0d0a14b5c6e", 1793491200000000], ["bud_52ad4cb4aad4175df69c5729", 1795392000000000]]',1795882320540876);
INSERT INTO holds VALUES('org_bkccconhjemgmodfhcpndpnemmb','hold_bkccconidgandfmdhjgidgppnlg','pur_bkccconidgaoomemjcpbkdagfgj',200000,'usd','[["bud_73cba128181f4a0e4acecbe2", 1795824000000000], ["bud_8c37d77a98940bc2c5c97039", 0], ["bud_d3e30403d429613545282ec9", 1793491200000000], ["bud_b6e8c22153e25efcfc29951f", 1795392000000000], ["bud_e6dc3da28864b5f494d61886", 1795824000000000], ["bud_5b19046965270560002ae3d6", 0], ["bud_2c3dfa40e62bc7a736310bea", 1793491200000000], ["bud_d5115d6fb19a2ebf4a6fa96e", 1795392000000000], ["bud_918134c435bf10e6632b92f1", 1795824000000000], ["bud_d782c1597168f2fb4eb283eb", 0], ["bud_369fc23f9552d0d0a14b5c6e", 1793491200000000], ["bud_52ad4cb4aad4175df69c5729", 1795392000000000]]',1795882320737973);
INSERT INTO inbox VALUES('evt_EOlnAip5Iu3dGRWSsjwVgdaf','acct_swlYWNz9i9nGlGHK',0,'account.application.authorized',NULL,'ca_simulator','ignored','not an event Roony needs',0,1795882318620537,0,0,1795882318,1795882318620537,1795882318620537,CAST('{"id": "evt_EOlnAip5Iu3dGRWSsjwVgdaf", "object": "event", "api_version": "2026-10-28.endive", "created": 1795882318, "data": {"object": {"id": "ca_simulator", "object": "application", "name": "Simulated platform"}}, "livemode": false, "pending_webhooks": 1, "request": {"id": null, "idempotency_key": null}, "type": "account.application.authorized", "account": "acct_swlYWNz9i9nGlGHK"}' AS BLOB));
INSERT INTO inbox VALUES('evt_6zmYIILsoEshUXBsKGBR6mh4','acct_swlYWNz9i9nGlGHK',0,'issuing_cardholder.created','org_bkccconhjemgmodfhcpndpnemmb','ich_23nrGs8fqpOucyfBUFyWOIFp','applied',NULL,0,1795882319031972,0,1,1795882318,1795882318993877,1795882319031972,CAST('{"id": "evt_6zmYIILsoEshUXBsKGBR6mh4", "object": "event", "api_version": "2026-10-28.endive", "created": 1795882318, "data": {"object": {"id": "ich_23nrGs8fqpOucyfBUFyWOIFp", "object": "issuing.cardholder", "billing": {"address": {"city": "San Francisco", "country": "US", "line1": "510 Townsend Street", "line2": null, "postal_code": "94103", "state": "CA"}}, "company": null, "created": 1795882318, "email": null, "individual": null, "livemode": false, "metadata": {"roony_organization": "org_bkccconhjemgmodfhcpndpnemmb", "roony_connection": "con_bkccconhkfnpklbedggjlcipjak"}, "name": "Demo Company", "phone_number": null, "preferred_locales": [], "requirements": {"disabled_reason": null, "past_due": []}, "spending_controls": {"allowed_card_presences": null, "blocked_card_presences": null, "allowed_categories": null, "blocked_categories": null, "allowed_merchant_countries": null, "blocked_merchant_countries": null, "spending_limits": [], "spending_limits_currency": null}, "status": "active", "type": "company"}}, "livemode": false, "pending_webhooks": 1, "request": {"id": "req_6gUkEu3g902XSi", "idempotency_key": "con_bkccconhkfnpklbedggjlcipjak:cardholder:1"}, "type": "issuing_cardholder.created", "account": "acct_swlYWNz9i9nGlGHK"}' AS BLOB));
INSERT INTO inbox VALUES('evt_QiOIStmKRHwDGQTgv49xgOli','acct_swlYWNz9i9nGlGHK',0,'issuing_card.created','org_bkccconhjemgmodfhcpndpnemmb','ic_nYGFpm7VSELnTVEmrDe9sblP','applied',NULL,0,1795882319461751,0,1,1795882319,1795882319422334,1795882319461751,CAST('{"id": "evt_QiOIStmKRHwDGQTgv49xgOli", "object": "event", "api_version": "2026-10-28.endive", "created": 1795882319, "data": {"object": {"id": "ic_nYGFpm7VSELnTVEmrDe9sblP", "object": "issuing.card", "brand": "Visa", "cancellation_reason": null, "created": 1795882319, "currency": "usd", "exp_month": 8, "exp_year": 2029, "financial_account": null, "last4": "9264", "latest_fraud_warning": null, "lifecycle_controls": {"cancel_after": {"payment_count": 1}}, "livemode": false, "metadata": {"roony_purchase": "pur_bkccconhocehnbmlmeppojaeghd", "roony_card": "crd_bkccconhocekhljgkljblbpmomb", "roony_organization": "org_bkccconhjemgmodfhcpndpnemmb", "roony_agent": "agt_bkccconhnagkclmafjggpgejcnn"}, "personalization_design": null, "replaced_by": null, "replacement_for": null, "replacement_reason": null, "second_line": null, "shipping": null, "spending_controls": {"allowed_card_presences": ["not_present"], "blocked_card_presences": null, "allowed_categories": null, "blocked_categories": null, "allowed_merchant_countries": null, "blocked_merchant_countries": null, "spending_limits": [{"amount": 4900, "categories": [], "interval": "all_time"}], "spending_limits_currency": "usd"}, "status": "active", "type": "virtual", "wallets": {"apple_pay": {"eligible": false, "ineligible_reason": "missing_cardholder_contact"}, "google_pay": {"eligible": false, "ineligible_reason": "missing_cardholder_contact"}, "primary_account_identifier": null}, "cardholder": {"id": "ich_23nrGs8fqpOucyfBUFyWOIFp", "object": "issuing.cardholder", "billing": {"address": {"city": "San Francisco", "country": "US", "line1": "510 Townsend Street", "line2": null, "postal_code": "94103", "state": "CA"}}, "company": null, "created": 1795882318, "email": null, "individual": null, "livemode": false, "metadata": {"roony_organization": "org_bkccconhjemgmodfhcpndpnemmb", "roony_connection": "con_bkccconhkfnpklbedggjlcipjak"}, "name": "Demo Company", "phone_number": null, "preferred_locales": [], "requirements": {"disabled_reason": null, "past_due": []}, "spending_controls": {"allowed_card_presences": null, "blocked_card_presences": null, "allowed_categories": null, "blocked_categories": null, "allowed_merchant_countries": null, "blocked_merchant_countries": null, "spending_limits": [], "spending_limits_currency": null}, "status": "active", "type": "company"}}}, "livemode": false, "pending_webhooks": 1, "request": {"id": "req_7eNhWrr7XS8Guc", "idempotency_key": "pur_bkccconhocehnbmlmeppojaeghd:1"}, "type": "issuing_card.created", "account": "acct_swlYWNz9i9nGlGHK"}' AS BLOB));
INSERT INTO inbox VALUES('evt_ed0uUMeEjN2o7Drf5IUpzzfE','acct_swlYWNz9i9nGlGHK',0,'issuing_card.created','org_bkccconhjemgmodfhcpndpnemmb','ic_jleLxJ9VVNk6EJinH4WJNhvh','applied',NULL,0,1795882319617906,0,1,1795882319,1795882319604912,1795882319617906,CAST('{"id": "evt_ed0uUMeEjN2o7Drf5IUpzzfE", "object": "event", "api_version": "2026-10-28.endive", "created": 1795882319, "data": {"object": {"id": "ic_jleLxJ9VVNk6EJinH4WJNhvh", "object": "issuing.card", "brand": "Visa", "cancellation_reason": null, "created": 1795882319, "currency": "usd", "exp_month": 9, "exp_year": 2029, "financial_account": null, "last4": "3270", "latest_fraud_warning": null, "lifecycle_controls": {"cancel_after": {"payment_count": 1}}, "livemode": false, "metadata": {"roony_purchase": "pur_bkccconhonlhgfmlimglpnllgin", "roony_card": "crd_bkccconhonliioejmofofdadnhg", "roony_organization": "org_bkccconhjemgmodfhcpndpnemmb", "roony_agent": "agt_bkccconhnagkclmafjggpgejcnn"}, "personalization_design": null, "replaced_by": null, "replacement_for": null, "replacement_reason": null, "second_line": null, "shipping": null, "spending_controls": {"allowed_card_presences": ["not_present"], "blocked_card_presences": null, "allowed_categories": null, "blocked_categories": null, "allowed_merchant_countries": null, "blocked_merchant_countries": null, "spending_limits": [{"amount": 5000, "categories": [], "interval": "all_time"}], "spending_limits_currency": "usd"}, "status": "active", "type": "virtual", "wallets": {"apple_pay": {"eligible": false, "ineligible_reason": "missing_cardholder_contact"}, "google_pay": {"eligible": false, "ineligible_reason": "missing_cardholder_contact"}, "primary_account_identifier": null}, "cardholder": {"id": "ich_23nrGs8fqpOucyfBUFyWOIFp", "object": "issuing.cardholder", "billing": {"address": {"city": "San Francisco", "country": "US", "line1": "510 Townsend Street", "line2": null, "postal_code": "94103", "state": "CA"}}, "company": null, "created": 1795882318, "email": null, "individual": null, "livemode": false, "metadata": {"roony_organization": "org_bkccconhjemgmodfhcpndpnemmb", "roony_connection": "con_bkccconhkfnpklbedggjlcipjak"}, "name": "Demo Company", "phone_number": null, "preferred_locales": [], "requirements": {"disabled_reason": null, "past_due": []}, "spending_controls": {"allowed_card_presences": null, "blocked_card_presences": null, "allowed_categories": null, "blocked_categories": null, "allowed_merchant_countries": null, "blocked_merchant_countries": null, "spending_limits": [], "spending_limits_currency": null}, "status": "active", "type": "company"}}}, "livemode": false, "pending_webhooks": 1, "request": {"id": "req_Hwer6pDih053EO", "idempotency_key": "pur_bkccconhonlhgfmlimglpnllgin:1"}, "type": "issuing_card.created", "account": "acct_swlYWNz9i9nGlGHK"}' AS BLOB));
INSERT INTO kept_keys VALUES('org_bkccconhjemgmodfhcpndpnemmb','agt_bkccconhnagkclmafjggpgejcnn','Linear','pur_bkccconhocehnbmlmeppojaeghd','d035e831aea870b6164a7594870f2493f09d57adb16ef1e4ca26f7aacc90428f',1795882319397278);
INSERT INTO kept_keys VALUES('org_bkccconhjemgmodfhcpndpnemmb','agt_bkccconhnagkclmafjggpgejcnn','Figma','pur_bkccconhonlhgfmlimglpnllgin','25a09d40ced8452e46238fc0e45eb22bc3e1bee85cde3e4b3702dee6d4c17d70',1795882319580552);
INSERT INTO kept_keys VALUES('org_bkccconhjemgmodfhcpndpnemmb','agt_bkccconhnagkclmafjggpgejcnn','Notion','pur_bkccconiahenoaahhhklfjbglle','963cc36ed99d9ac391125b4f54e2e6aa07ea1a187866dfe3f29e0be9d5ab0ba3',1795882319988788);
INSERT INTO kept_keys VALUES('org_bkccconhjemgmodfhcpndpnemmb','agt_bkccconhnmielhifldbalnagjmf','GitHub','pur_bkccconicjmnklnkaajapcfnlpj','cce1d3e789b34e55cd3d6a7bd27f0d1d91266ebddf55a67673c1b54df7c987b0',1795882320540876);
INSERT INTO kept_keys VALUES('org_bkccconhjemgmodfhcpndpnemmb','agt_bkccconhnagkclmafjggpgejcnn','Adobe','pur_bkccconidgaoomemjcpbkdagfgj','14430f640cafae00ea4763c6923e90ef1bf52f70de2510cbc8e37bdba812e6c4',1795882320737973);
INSERT INTO known_merchants VALUES('org_bkccconhjemgmodfhcpndpnemmb','linear','Linear','[]','[]',1,1795882319397278);
INSERT INTO known_merchants VALUES('org_bkccconhjemgmodfhcpndpnemmb','figma','Figma','[]','["3634407573"]',1,1795882319580552);
INSERT INTO known_merchants VALUES('org_bkccconhjemgmodfhcpndpnemmb','notion','Notion','[]','["5964677161"]',1,1795882319988788);
INSERT INTO known_merchants VALUES('org_bkccconhjemgmodfhcpndpnemmb','github','GitHub','[]','["8142800778"]',1,1795882320540876);
INSERT INTO oauth_states VALUES('348dd5383dac782cf86d3c49c73b03b916de51fed825728b90de7d04c3f96919','87bab570247cf88bded6151314dbc571c3d9bd2e19bdac794bbdf13b4b54a11a','org_bkccconhjemgmodfhcpndpnemmb','con_bkccconhkfnpklbedggjlcipjak',1795882918538024,1795882318566672);
INSERT INTO organizations VALUES('installation','This installation','usd','UTC',NULL,NULL,'decline','sealed',0,'{}','0',0,'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO organizations VALUES('org_bkccconhjemgmodfhcpndpnemmb','Demo Company','usd','UTC','con_bkccconhkfnpklbedggjlcipjak',NULL,'decline','raw',0,'{}','ed4b87c3aa263034',41,'b42ebc2f0f3fe9c0b62846b4923e7da450dbd587e1517e9d77481cf5adf013ad',1795882320859480,1795882318156314);
INSERT INTO outbox VALUES('org_bkccconhjemgmodfhcpndpnemmb','out_bkccconhlhkepinkmamkfackjmm','make_cardholder','con_bkccconhkfnpklbedggjlcipjak','{}','con_bkccconhkfnpklbedggjlcipjak:cardholder:1',1,'done',0,0,0,1,NULL,1795882318714422,1795882318995845);
INSERT INTO outbox VALUES('org_bkccconhjemgmodfhcpndpnemmb','out_a3f475e42ccb6a1db7a3edc8','preflight','con_bkccconhkfnpklbedggjlcipjak','{}','out_a3f475e42ccb6a1db7a3edc8:1',1,'done',0,0,0,1,NULL,1795882318714422,1795882318766594);
INSERT INTO outbox VALUES('org_bkccconhjemgmodfhcpndpnemmb','out_bkccconhocefmjhgmabioaenmpd','make_card','crd_bkccconhocekhljgkljblbpmomb','{"type": "virtual", "status": "active", "currency": "usd", "spending_controls": {"spending_limits": [{"amount": 4900, "interval": "all_time"}], "allowed_card_presences": ["not_present"]}, "metadata": {"roony_purchase": "pur_bkccconhocehnbmlmeppojaeghd", "roony_card": "crd_bkccconhocekhljgkljblbpmomb", "roony_organization": "org_bkccconhjemgmodfhcpndpnemmb", "roony_agent": "agt_bkccconhnagkclmafjggpgejcnn"}, "lifecycle_controls": {"cancel_after": {"payment_count": 1}}, "cardholder": "org_bkccconhjemgmodfhcpndpnemmb"}','pur_bkccconhocehnbmlmeppojaeghd:1',1,'done',0,0,0,1,NULL,1795882319397278,1795882319443389);
INSERT INTO outbox VALUES('org_bkccconhjemgmodfhcpndpnemmb','out_bkccconhonlnmkhbknfjmihbklk','make_card','crd_bkccconhonliioejmofofdadnhg','{"type": "virtual", "status": "active", "currency": "usd", "spending_controls": {"spending_limits": [{"amount": 5000, "interval": "all_time"}], "allowed_card_presences": ["not_present"]}, "metadata": {"roony_purchase": "pur_bkccconhonlhgfmlimglpnllgin", "roony_card": "crd_bkccconhonliioejmofofdadnhg", "roony_organization": "org_bkccconhjemgmodfhcpndpnemmb", "roony_agent": "agt_bkccconhnagkclmafjggpgejcnn"}, "lifecycle_controls": {"cancel_after": {"payment_count": 1}}, "cardholder": "org_bkccconhjemgmodfhcpndpnemmb"}','pur_bkccconhonlhgfmlimglpnllgin:1',1,'done',0,0,0,1,NULL,1795882319580552,1795882319609215);
INSERT INTO outbox VALUES('org_bkccconhjemgmodfhcpndpnemmb','out_bkccconiaheolcpnkehaijeoilc','make_card','crd_bkccconiaheghinifgbjkcmdmmp','{"type": "virtual", "status": "active", "currency": "usd", "spending_controls": {"spending_limits": [{"amount": 3000, "interval": "all_time"}], "allowed_card_presences": ["not_present"]}, "metadata": {"roony_purchase": "pur_bkccconiahenoaahhhklfjbglle", "roony_card": "crd_bkccconiaheghinifgbjkcmdmmp", "roony_organization": "org_bkccconhjemgmodfhcpndpnemmb", "roony_agent": "agt_bkccconhnagkclmafjggpgejcnn"}, "lifecycle_controls": {"cancel_after": {"payment_count": 1}}, "cardholder": "org_bkccconhjemgmodfhcpndpnemmb"}','pur_bkccconiahenoaahhhklfjbglle:1',1,'done',0,0,0,1,NULL,1795882319988788,1795882320020992);
INSERT INTO outbox VALUES('org_bkccconhjemgmodfhcpndpnemmb','out_bkccconicjmmgoiehoadjlknanb','make_card','crd_bkccconicjmmkpcmhojhcaipaed','{"type": "virtual", "status": "active", "currency": "usd", "spending_controls": {"spending_limits": [{"amount": 2000, "interval": "all_time"}], "allowed_card_presences": ["not_present"]}, "metadata": {"roony_purchase": "pur_bkccconicjmnklnkaajapcfnlpj", "roony_card": "crd_bkccconicjmmkpcmhojhcaipaed", "roony_organization": "org_bkccconhjemgmodfhcpndpnemmb", "roony_agent": "agt_bkccconhnmielhifldbalnagjmf"}, "lifecycle_controls": {"cancel_after": {"payment_count": 1}}, "cardholder": "org_bkccconhjemgmodfhcpndpnemmb"}','pur_bkccconicjmnklnkaajapcfnlpj:1',1,'done',0,0,0,1,NULL,1795882320540876,1795882320560712);
INSERT INTO outbox VALUES('org_bkccconhjemgmodfhcpndpnemmb','out_bkccconidnkcmjbdilfifpdhamc','freeze_cards','agent:agt_bkccconhnmielhifldbalnagjmf','{}','out_bkccconidnkcmjbdilfifpdhamc:1',1,'done',0,0,0,1,NULL,1795882320859480,1795882320883296);
INSERT INTO payments VALUES('made up','made up',0,'made up',0,0,0,0,0,0,0);
INSERT INTO preflights VALUES('org_bkccconhjemgmodfhcpndpnemmb','con_bkccconhkfnpklbedggjlcipjak','preflight','[{"id": "stripe_access", "status": "ok", "message": "Stripe lets Roony act for the account.", "next": null}, {"id": "livemode", "status": "ok", "message": "Key and account are in the same mode.", "next": null}, {"id": "issuing_capability", "status": "ok", "message": "The account may issue cards.", "next": null}, {"id": "issuing_balance", "status": "ok", "message": "The Issuing balance is 100,000.00 USD.", "next": null}, {"id": "cardholder", "status": "warning", "message": "The account has no cardholder yet; it is made with the connection.", "next": "Look again soon."}, {"id": "webhook_endpoint", "status": "ok", "message": "Stripe sends events to http://127.0.0.1:43921/api/webhooks/stripe.", "next": null}, {"id": "webhook_events", "status": "ok", "message": "Every event Roony needs is sent.", "next": null}, {"id": "realtime_event", "status": "ok", "message": "issuing_authorization.request is selected.", "next": null}, {"id": "webhook_version", "status": "warning", "message": "Events come in the account''s default version; Roony reads 2026-10-28.endive.", "next": "roony connection setup-webhooks con_bkccconhkfnpklbedggjlcipjak"}, {"id": "realtime_url", "status": "unknown", "message": "Nobody has confirmed it, and no API of Stripe''s shows it: Roony''s address is the real-time authorization URL.", "next": "See it in the account''s Issuing settings, then: roony connection confirm con_bkccconhkfnpklbedggjlcipjak --realtime-url"}, {"id": "timeout_declines", "status": "unknown", "message": "Nobody has confirmed it, and no API of Stripe''s shows it: the timeout action is decline.", "next": "See it in the account''s Issuing settings, then: roony connection confirm con_bkccconhkfnpklbedggjlcipjak --timeout-declines"}, {"id": "other_cards", "status": "ok", "message": "No other active cards.", "next": null}, {"id": "public_url", "status": "warning", "message": "Roony''s public address is not https: http://127.0.0.1:43921", "next": "Good for trying out; live mode needs ROONY_PUBLIC_URL with https."}]','roony',1795882318766594);
INSERT INTO projects VALUES('org_bkccconhjemgmodfhcpndpnemmb','prj_bkccconhjemgfaaoegljgpbenno','Demo project',NULL,1795882318156314);
INSERT INTO projects VALUES('org_bkccconhjemgmodfhcpndpnemmb','prj_bkccconhmjpjehkcnhnmfoedkap','Buyers',NULL,1795882319009578);
INSERT INTO projects VALUES('org_bkccconhjemgmodfhcpndpnemmb','prj_bkccconhnfcghjmahekgplcdamh','Stoppeds',NULL,1795882319186902);
INSERT INTO purchases VALUES('org_bkccconhjemgmodfhcpndpnemmb','pur_bkccconhocehnbmlmeppojaeghd','agt_bkccconhnagkclmafjggpgejcnn','prj_bkccconhmjpjehkcnhnmfoedkap',NULL,'con_bkccconhkfnpklbedggjlcipjak','ready',4900,'usd','hold_bkccconhocejkobnacnlhaflmhc',4900,4900,0,0,0,0,1,'crd_bkccconhocekhljgkljblbpmomb',NULL,'linear','strict','{"name": "Linear", "category": "5734", "country": "US"}','1 month','{}','{"verdict": "approved", "reasons": [], "inputs": {"control_versions": {"agent": 1}, "controls": {"agent": {"approval_threshold": 100000}}, "connection": "active", "budgets": [["bud_d3e30403d429613545282ec9", "agent", "month", 500000, 0, 0]], "velocity": [0, 0], "merchant_known": false, "duplicate_of": null}}',NULL,'f2872d24c9fb4a5113ede8c45a67defccaa06d9f49e1ad42d8d8b4508511c9d6',NULL,NULL,1795882319397278,1795882319443389,'one_time',1,0,NULL,NULL);
INSERT INTO purchases VALUES('org_bkccconhjemgmodfhcpndpnemmb','pur_bkccconhonlhgfmlimglpnllgin','agt_bkccconhnagkclmafjggpgejcnn','prj_bkccconhmjpjehkcnhnmfoedkap',NULL,'con_bkccconhkfnpklbedggjlcipjak','authorized',5000,'usd','hold_bkccconhonlfpadjjnekkcakmel',5000,5000,0,0,0,0,1,'crd_bkccconhonliioejmofofdadnhg',NULL,'figma','strict','{"name": "Figma", "category": "5734", "country": "US"}','1 month','{}','{"verdict": "approved", "reasons": [], "inputs": {"control_versions": {"agent": 1}, "controls": {"agent": {"approval_threshold": 100000}}, "connection": "active", "budgets": [["bud_d3e30403d429613545282ec9", "agent", "month", 500000, 4900, 0]], "velocity": [1, 4900], "merchant_known": false, "duplicate_of": null}}',NULL,'edfc3b0c90247987c63479ebc63c0f569ff76f4e848ceca54842bdd29495ad48',NULL,NULL,1795882319580552,1795882319774293,'one_time',1,0,NULL,NULL);
INSERT INTO purchases VALUES('org_bkccconhjemgmodfhcpndpnemmb','pur_bkccconiahenoaahhhklfjbglle','agt_bkccconhnagkclmafjggpgejcnn','prj_bkccconhmjpjehkcnhnmfoedkap',NULL,'con_bkccconhkfnpklbedggjlcipjak','settled',3000,'usd','hold_bkccconiahemnkacfcegdpjdiia',3000,0,3000,3000,0,0,2,'crd_bkccconiaheghinifgbjkcmdmmp',NULL,'notion','strict','{"name": "Notion", "category": "5734", "country": "US"}','1 month','{}','{"verdict": "approved", "reasons": [], "inputs": {"control_versions": {"agent": 1}, "controls": {"agent": {"approval_threshold": 100000}}, "connection": "active", "budgets": [["bud_d3e30403d429613545282ec9", "agent", "month", 500000, 9900, 0]], "velocity": [2, 9900], "merchant_known": false, "duplicate_of": null}}',NULL,'19d0e68ab80316b015d586f955c86ec2d793c475c12a003552023f51d6f20dd4',NULL,NULL,1795882319988788,1795882320501917,'one_time',1,0,NULL,NULL);
INSERT INTO purchases VALUES('org_bkccconhjemgmodfhcpndpnemmb','pur_bkccconicjmnklnkaajapcfnlpj','agt_bkccconhnmielhifldbalnagjmf','prj_bkccconhnfcghjmahekgplcdamh',NULL,'con_bkccconhkfnpklbedggjlcipjak','authorized',2000,'usd','hold_bkccconicjmkgnkphgjbeoiemnd',2000,2000,0,0,0,0,1,'crd_bkccconicjmmkpcmhojhcaipaed',NULL,'github','strict','{"name": "GitHub", "category": "5734", "country": "US"}','1 month','{}','{"verdict": "approved", "reasons": [], "inputs": {"control_versions": {"agent": 1}, "controls": {"agent": {"approval_threshold": 100000}}, "connection": "active", "budgets": [["bud_d9c6c66ec8b4fb3949103bca", "agent", "month", 500000, 0, 0]], "velocity": [0, 0], "merchant_known": false, "duplicate_of": null}}',NULL,'aeaad7a8d1e1422be17a54015165ed278319d7d64faf161ef0c6ed617e1184d8',NULL,NULL,1795882320540876,1795882320701812,'one_time',1,0,NULL,NULL);
INSERT INTO purchases VALUES('org_bkccconhjemgmodfhcpndpnemmb','pur_bkccconidgaoomemjcpbkdagfgj','agt_bkccconhnagkclmafjggpgejcnn','prj_bkccconhmjpjehkcnhnmfoedkap',NULL,'con_bkccconhkfnpklbedggjlcipjak','awaiting_approval',200000,'usd','hold_bkccconidgandfmdhjgidgppnlg',200000,200000,0,0,0,0,1,NULL,'apr_bkccconidgamncejnjfhibnelaj','adobe','strict','{"name": "Adobe", "category": "5734", "country": "US"}','1 month','{}','{"verdict": "needs_approval", "reasons": [{"code": "APPROVAL_OVER_THRESHOLD", "message": "2,000.00 USD is over 1,000.00 USD: above that a person decides for this agent.", "scope": "agent"}], "inputs": {"control_versions": {"agent": 1}, "controls": {"agent": {"approval_threshold": 100000}}, "connection": "active", "budgets": [["bud_d3e30403d429613545282ec9", "agent", "month", 500000, 9900, 3000]], "velocity": [3, 12900], "merchant_known": false, "duplicate_of": null}}',NULL,'f0c49616e5eb803e0f2ec34ab06797e1272ea98ea4f3f44ad385abe29698bc3e',NULL,NULL,1795882320737973,1795882320737973,'one_time',1,0,NULL,NULL);
INSERT INTO recent_purchases VALUES('org_bkccconhjemgmodfhcpndpnemmb','agt_bkccconhnagkclmafjggpgejcnn','f2872d24c9fb4a5113ede8c45a67defccaa06d9f49e1ad42d8d8b4508511c9d6','pur_bkccconhocehnbmlmeppojaeghd',1795882319397278);
INSERT INTO recent_purchases VALUES('org_bkccconhjemgmodfhcpndpnemmb','agt_bkccconhnagkclmafjggpgejcnn','edfc3b0c90247987c63479ebc63c0f569ff76f4e848ceca54842bdd29495ad48','pur_bkccconhonlhgfmlimglpnllgin',1795882319580552);
INSERT INTO recent_purchases VALUES('org_bkccconhjemgmodfhcpndpnemmb','agt_bkccconhnagkclmafjggpgejcnn','19d0e68ab80316b015d586f955c86ec2d793c475c12a003552023f51d6f20dd4','pur_bkccconiahenoaahhhklfjbglle',1795882319988788);
INSERT INTO recent_purchases VALUES('org_bkccconhjemgmodfhcpndpnemmb','agt_bkccconhnmielhifldbalnagjmf','aeaad7a8d1e1422be17a54015165ed278319d7d64faf161ef0c6ed617e1184d8','pur_bkccconicjmnklnkaajapcfnlpj',1795882320540876);
INSERT INTO recent_purchases VALUES('org_bkccconhjemgmodfhcpndpnemmb','agt_bkccconhnagkclmafjggpgejcnn','f0c49616e5eb803e0f2ec34ab06797e1272ea98ea4f3f44ad385abe29698bc3e','pur_bkccconidgaoomemjcpbkdagfgj',1795882320737973);
INSERT INTO reconciliations VALUES('made up','made up','made up','made up','made up','made up',1,1,'made up',1,1,1,1,1,1,1,'made up','made up','made up',1,1,1);
INSERT INTO reveal_links VALUES('made up','made up','made up',1,'made up','made up',1,1,1,'made up',1);
INSERT INTO start_tickets VALUES('5f67b63f820565469603b7b28f8b5ecaf44cc3a5ca603c7353780ae0cfdc5d86','org_bkccconhjemgmodfhcpndpnemmb','con_bkccconhkfnpklbedggjlcipjak',1795882918430355,1795882318538024);
INSERT INTO stripe_transactions VALUES('org_bkccconhjemgmodfhcpndpnemmb','ipi_BpUipI5k3Ff49WywlilCzKIe','con_bkccconhkfnpklbedggjlcipjak','pur_bkccconiahenoaahhhklfjbglle','iauth_Y74LlIXRLJsYLn9Ll3a2TQ2J','ic_A9zlbGOam6aPwYWCJbGSBSE3','capture',3000,'usd',3000,'usd','{"name": "NOTION", "category": "5734", "country": "US", "network_id": "5964677161"}','233139803697016',1795882320000000,1795882320501917,'card');
INSERT INTO velocities VALUES('org_bkccconhjemgmodfhcpndpnemmb','agt_bkccconhnagkclmafjggpgejcnn',498856,4,212900);
INSERT INTO velocities VALUES('org_bkccconhjemgmodfhcpndpnemmb','agt_bkccconhnmielhifldbalnagjmf',498856,1,2000);
