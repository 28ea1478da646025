import t from 'tap'
import { isSecretName } from '../../observe/redact/names.ts'

t.test('names of secrets are recognized in every spelling', t => {
  for (const name of words(`
    authorization x-auth basic_auth proxyAuth oauth auth apikey api_key API-KEY apiKeys subscription-key subscriptionkey
    masterkey hmackey encryption.key X-Key key signing_keys passkey jwt idJwt x_jwt_assertion assertion client_assertion
    SAMLResponse pwd userPwd db_pwd pass db_pass userPass dbpass PASS passcode pass_code passCode password passwd
    pass-word passphrase code_verifier codeVerifier sid connect.sid PHPSESSID JSESSIONID ticket auth_ticket serviceTicket
    otp totp smsOtp otp_code cvv cvv2 cardCvv cvc card_cvc pin userPin newPIN code auth_code smsCode recovery_codes csrf
    _csrf X-XSRF-TOKEN session session_id signature sig x-sig token access_token refreshToken secret client_secret
    private_key privateKey pass1 newPass2 signing_key_2 authHeader db_cred oauth_verifier user_pw Passwort accessKeyId ssn bearer credentials cookie Set-Cookie card_number`))
    t.equal(isSecretName(name), true, name)
  t.end()
})

t.test('names that only look similar are not secrets', t => {
  for (const name of words(`
    monkey monkeys author authors keyboard compass accordion turkey donkey hockey jockey whiskey authority authored
    passenger bypass passes passed compassion trespass pinterest spinning shipping opinion countryCode zip_code statusCode
    error_code currencyCode barcode decode codec encode inside beside sidebar president residence ticketId tickets
    ticketPrice keys keywords keyword key_id footprint hotplate spotprice optional adopt hostname email user username id
    assertive carve pinned mapping oauth2 column_2 field2 error_message_1 authenticate authType author_id signed assign design signal`))
    t.equal(isSecretName(name), false, name)
  t.end()
})

function words(text: string): string[] {
  return text.trim().split(/\s+/)
}
