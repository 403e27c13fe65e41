#include "fakepg_codes.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *code;
    int status;
    const char *message;
} codes[] = {
    {"REJECT_CARD_PAYMENT", 403, "한도초과 혹은 잔액부족으로 결제에 실패했습니다."},
    {"REJECT_ACCOUNT_PAYMENT", 403, "잔액부족으로 결제에 실패했습니다."},
    {"REJECT_CARD_COMPANY", 403, "결제 승인이 거절되었습니다."},
    {"EXCEED_MAX_AUTH_COUNT", 403, "최대 인증 횟수를 초과했습니다. 카드사로 문의해주세요."},
    {"INVALID_STOPPED_CARD", 400, "정지된 카드 입니다."},
    {"INVALID_REJECT_CARD", 400, "카드 사용이 거절되었습니다. 카드사 문의가 필요합니다."},
    {"INVALID_CARD_LOST_OR_STOLEN", 400, "분실 혹은 도난 카드입니다."},
    {"INVALID_CARD_EXPIRATION", 400, "카드 정보를 다시 확인해주세요. (유효기간)"},
    {"INVALID_CARD_NUMBER", 400, "카드번호를 다시 확인해주세요."},
    {"NOT_SUPPORTED_CARD_TYPE", 400, "지원되지 않는 카드 종류입니다."},
    {"NOT_REGISTERED_CARD_COMPANY", 400, "카드를 사용 등록 후 이용해주세요."},
    {"INVALID_BILL_KEY_REQUEST", 400,
     "빌링키 인증이 완료되지 않았거나 유효하지 않은 빌링 거래 건입니다."},
    {"ALREADY_REMOVED_BILLING_KEY", 400, "이미 삭제된 빌링키입니다."},
    {"NOT_MATCHES_CUSTOMER_KEY", 400, "빌링 인증 고객키와 결제 요청 고객키가 일치하지 않습니다."},
    {"NOT_FOUND_BILLING", 404, "존재하지 않는 빌링 결제 입니다."},
    {"BELOW_MINIMUM_AMOUNT", 400,
     "신용카드는 결제금액이 100원 이상, 계좌는 200원이상부터 결제가 가능합니다."},
    {"DUPLICATED_ORDER_ID", 400,
     "이미 승인 및 취소가 진행된 중복된 주문번호 입니다. 다른 주문번호로 진행해주세요."},
    {"ALREADY_PROCESSED_PAYMENT", 400, "이미 처리된 결제 입니다."},
    {"ALREADY_PROCESSING_REQUEST", 400, "이미 처리중인 요청입니다."},
    {"IDEMPOTENT_REQUEST_PROCESSING", 409, "이전 멱등 요청이 처리중입니다."},
    {"INVALID_IDEMPOTENCY_KEY", 400, "멱등키는 300자 이하여야 합니다."},
    {"PROVIDER_ERROR", 400, "일시적인 오류가 발생했습니다. 잠시 후 다시 시도해주세요."},
    {"CARD_PROCESSING_ERROR", 400, "카드사에서 오류가 발생했습니다."},
    {"FAILED_CARD_COMPANY_RESPONSE", 500,
     "카드사에서 에러가 발생했습니다. 잠시 후 다시 시도해 주세요."},
    {"FAILED_INTERNAL_SYSTEM_PROCESSING", 500,
     "내부 시스템 처리 작업이 실패했습니다. 잠시 후 다시 시도해주세요."},
    {"FAILED_PAYMENT_INTERNAL_SYSTEM_PROCESSING", 500,
     "결제가 완료되지 않았어요. 다시 시도해주세요."},
    {"FAILED_DB_PROCESSING", 500, "잘못된 요청 값으로 처리 중 DB 에러가 발생했습니다."},
    {"UNKNOWN_PAYMENT_ERROR", 500,
     "결제에 실패했어요. 같은 문제가 반복된다면 은행이나 카드사로 문의해주세요."},
    {"COMMON_ERROR", 500, "일시적인 오류가 발생했습니다. 잠시 후 다시 시도해주세요."},
    {"FAILED_REFUND_PROCESS", 500,
     "은행 응답시간 지연이나 일시적인 오류로 환불요청에 실패했습니다."},
    {"FAILED_PARTIAL_REFUND", 500, "은행 점검, 해약 계좌 등의 사유로 부분 환불이 실패했습니다."},
    {"FAILED_METHOD_HANDLING_CANCEL", 500,
     "취소 중 결제 시 사용한 결제 수단 처리과정에서 일시적인 오류가 발생했습니다."},
    {"FORBIDDEN_CONSECUTIVE_REQUEST", 403,
     "반복적인 요청은 허용되지 않습니다. 잠시 후 다시 시도해주세요."},
    {"ALREADY_CANCELED_PAYMENT", 400, "이미 취소된 결제 입니다."},
    {"NOT_CANCELABLE_AMOUNT", 403, "취소 할 수 없는 금액 입니다."},
    {"ALREADY_REFUND_PAYMENT", 400, "이미 환불된 결제입니다."},
    {"NOT_CANCELABLE_PAYMENT", 403, "취소 할 수 없는 결제 입니다."},
    {"NOT_MATCHES_REFUNDABLE_AMOUNT", 400, "잔액 결과가 일치하지 않습니다."},
    {"REFUND_REJECTED", 400, "환불이 거절됐습니다. 결제사에 문의 부탁드립니다."},
    {"EXCEED_MAX_REFUND_DUE", 403, "환불 가능한 기간이 지났습니다."},
    {"EXCEED_CANCEL_LIMIT", 403,
     "취소한도를 초과했습니다. 정산금액 범위 내에서만 결제취소가 가능합니다."},
    {"NOT_ALLOWED_PARTIAL_REFUND", 403,
     "에스크로 주문, 현금 카드 결제 등의 사유로 부분 환불이 불가합니다."},
    {"NOT_FOUND_PAYMENT", 404, "존재하지 않는 결제 정보 입니다."},
    {"NOT_FOUND", 404, "존재하지 않는 정보 입니다."},
    {"UNAUTHORIZED_KEY", 401, "인증되지 않은 시크릿 키 혹은 클라이언트 키 입니다."},
    {"INVALID_API_KEY", 400, "잘못된 시크릿키 연동 정보 입니다."},
    {"INCORRECT_BASIC_AUTH_FORMAT", 403, "잘못된 요청입니다. ':' 를 포함해 인코딩해주세요."},
    {"FORBIDDEN_REQUEST", 403, "허용되지 않은 요청입니다."},
    {"INVALID_REQUEST", 400, "잘못된 요청입니다."},
    {"INVALID_ORDER_ID", 400,
     "주문번호는 영문 대소문자, 숫자, 특수문자(-, _) 만 허용합니다. 6자 이상 64자 이하여야 "
     "합니다."},
    {"INVALID_ORDER_NAME", 400, "주문명은 필수값으로 최대 100자까지 가능합니다."},
    {"INVALID_CUSTOMER_KEY", 400,
     "고객키는 영문 대소문자, 숫자, 특수문자(-, _, =, ., @) 만 허용합니다. 2자 이상 300자 이하여야 "
     "합니다."},
    {"INVALID_REQUIRED_PARAM", 400, "필수 파라미터가 누락되었습니다."},
    {"INVALID_PAYMENT_KEY", 400, "잘못된 paymentKey 입니다."},
    {"INSECURE_KEY_USAGE", 403, "시크릿 키가 안전하지 않은 환경에서 사용되었습니다."},
    {"INVALID_TEST_CODE", 400, "유효하지 않은 테스트 코드 입니다."},
    {"TOO_MANY_REQUESTS", 429, "요청이 너무 많습니다. 잠시 후 다시 시도해주세요."},
    {"FAILED_METHOD_HANDLING", 500,
     "결제 중 선택한 결제 수단 처리에 일시적인 오류가 발생했습니다."},
    {"FAILED_BILLING_AUTO_CANCEL", 500, "빌링 결제 처리 중 오류가 발생했습니다."},
    {"UNKNOWN_ERROR", 500, "알 수 없는 에러가 발생했습니다."},
    {"ALREADY_REFUNDING_PAYMENT", 400, "이미 환불이 진행 중인 결제입니다."},
    {"EXCEED_CANCEL_AMOUNT_DISCOUNT_AMOUNT", 400,
     "즉시할인금액보다 적은 금액은 부분취소가 불가능합니다."},
    {"NOT_CANCELABLE_PAYMENT_FOR_DORMANT_USER", 403,
     "휴면 처리된 회원의 결제는 취소할 수 없습니다."},
    {"NOT_SUPPORTED_INSTALLMENT_PLAN_CARD_OR_MERCHANT", 400,
     "할부가 지원되지 않는 카드 또는 가맹점 입니다."},
    {"INVALID_CARD_INSTALLMENT_PLAN", 400, "할부 개월 정보가 잘못되었습니다."},
    {"NOT_SUPPORTED_MONTHLY_INSTALLMENT_PLAN", 400, "할부가 지원되지 않는 카드입니다."},
    {"INVALID_DATE", 400, "날짜 데이터가 잘못 되었습니다."},
    {"INVALID_TRANSACTION_KEY", 400, "유효하지 않은 거래 키입니다."},
};

static size_t find(const char *code)
{
    size_t at = 0;
    while (at < sizeof codes / sizeof codes[0] && strcmp(codes[at].code, code) != 0) {
        at++;
    }
    return at;
}

int fakepg_code_status(const char *code)
{
    size_t at = find(code);
    return at < sizeof codes / sizeof codes[0] ? codes[at].status : 500;
}

const char *fakepg_code_message(const char *code)
{
    size_t at = find(code);
    return at < sizeof codes / sizeof codes[0] ? codes[at].message
                                               : "알 수 없는 에러가 발생했습니다.";
}

const char *fakepg_detail_name(enum fakepg_detail detail)
{
    static const char *const names[FAKEPG_DETAIL_COUNT] = {
        [FAKEPG_DETAIL_NONE] = "",
        [FAKEPG_DETAIL_BODY] = "body",
        [FAKEPG_DETAIL_CONTENT_TYPE] = "Content-Type",
        [FAKEPG_DETAIL_AMOUNT] = "amount",
        [FAKEPG_DETAIL_ORDER_ID] = "orderId",
        [FAKEPG_DETAIL_ORDER_NAME] = "orderName",
        [FAKEPG_DETAIL_CUSTOMER_KEY] = "customerKey",
        [FAKEPG_DETAIL_CANCEL_REASON] = "cancelReason",
        [FAKEPG_DETAIL_CANCEL_AMOUNT] = "cancelAmount",
        [FAKEPG_DETAIL_REFUNDABLE_AMOUNT] = "refundableAmount",
        [FAKEPG_DETAIL_TAX_FREE_AMOUNT] = "taxFreeAmount",
        [FAKEPG_DETAIL_AUTH_KEY] = "authKey",
        [FAKEPG_DETAIL_CARD_NUMBER] = "cardNumber",
        [FAKEPG_DETAIL_CARD_EXPIRATION] = "cardExpirationYear, cardExpirationMonth",
        [FAKEPG_DETAIL_IDENTITY] = "customerIdentityNumber",
        [FAKEPG_DETAIL_START_DATE] = "startDate",
        [FAKEPG_DETAIL_END_DATE] = "endDate",
        [FAKEPG_DETAIL_LIMIT] = "limit",
        [FAKEPG_DETAIL_DATE_TYPE] = "dateType",
        [FAKEPG_DETAIL_PAGE] = "page, size",
    };
    return detail < FAKEPG_DETAIL_COUNT ? names[detail] : "";
}

void fakepg_code_text(const char *code, enum fakepg_detail detail, char *text, size_t size)
{
    const char *name = fakepg_detail_name(detail);
    (void)snprintf(text, size, name[0] != '\0' ? "%s (%s)" : "%s%s", fakepg_code_message(code),
                   name);
}
