# ruff: noqa: E501
"""Which of 622 columns tell about persons? Two sets the detector was made with, and two that it was not."""

import random

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlkit.data.personal import (
    assess_personal,
    has_corporate_digit,
    has_luhn_digit,
    has_my_number_digit,
    personal_columns,
)

ROWS = 60
SURNAMES = "佐藤 鈴木 高橋 田中 伊藤 渡辺 山本 中村 小林 加藤 吉田 山田 大和田 榊 越智 蛭田 勅使河原".split()
GIVEN = "太郎 花子 健 美咲 翔 陽菜 大輔 直樹 さくら ひろし 真由美 涼 悠真 結衣".split()
KANA = "サトウ スズキ タカハシ タナカ イトウ ワタナベ オチ ヒルタ".split()
KANA_GIVEN = "タロウ ハナコ ケン ミサキ ショウ ヒナ".split()
FIRST = "Aiko Emma Liam Noah Olivia Priya Søren Zoë Mateo Ingrid Kwame Yusuf Chloé Hannah Peter".split()
LAST = "Smith O'Brien Müller Garcia Nakamura Okafor Larsen Dubois Novak Kim Patel Rossi Johnson".split()
TOWNS = "新宿区西新宿 千代田区丸の内 横浜市西区みなとみらい 大阪市北区梅田 札幌市中央区北一条西".split()
CITIES = "Leeds York Hull Paris Tokyo Osaka Berlin Lyon".split()
PREFECTURES = "東京都 大阪府 北海道 神奈川県 福島県 千葉県 石川県 山口県".split()


def column(make, rows=ROWS, seed=0):
    rng = random.Random(seed)
    return [make(rng, at) for at in range(rows)]


def digits(rng, many):
    return "".join(rng.choices("0123456789", k=many))


def checked(start, many, test):
    def make(rng, at):
        while not test(text := start + digits(rng, many - len(start))):
            pass
        return text

    return make


def one_of(*values):
    return lambda rng, at: rng.choice(values)


def pattern(form):
    """9: a digit, A: a large letter, a: a small one, h: a hexadecimal digit; else itself."""
    sets = {
        "9": "0123456789",
        "A": "ABCDEFGHKLMNPRSTUVWXYZ",
        "a": "abcdefghkmnprstuvwxyz",
        "h": "0123456789abcdef",
    }
    return lambda rng, at: "".join(rng.choice(sets.get(each, each)) for each in form)


def day(rng, at, first=1935, last=2005, form="{0}-{1:02}-{2:02}"):
    return form.format(rng.randint(first, last), rng.randint(1, 12), rng.randint(1, 28))


def person(rng, at):
    return f"{rng.choice(FIRST)} {rng.choice(LAST)}"


def person_ja(rng, at, between=" "):
    return f"{rng.choice(SURNAMES)}{between}{rng.choice(GIVEN)}"


def kana(rng, at):
    return f"{rng.choice(KANA)} {rng.choice(KANA_GIVEN)}"


def street(rng, at):
    return f"{rng.randint(1, 999)} {rng.choice(['Mill', 'Long', 'Oak'])} {rng.choice(['Road', 'Lane', 'Street'])}, {rng.choice(CITIES)}"


def address_ja(rng, at):
    return f"{rng.choice(['東京都', '大阪府', '神奈川県', ''])}{rng.choice(TOWNS)}{rng.randint(1, 9)}-{rng.randint(1, 20)}-{rng.randint(1, 9)}"


def era(rng, at):
    return f"{rng.choice(['昭和', '平成'])}{rng.randint(1, 30)}年{rng.randint(1, 12)}月{rng.randint(1, 28)}日"


def note(rng, at):
    return rng.choice([
        "called about the bill and was fine with it", "asked for a new contract in the summer",
        f"spoke with {rng.choice(FIRST)} about the delay of the order", "wants an invoice by post every month",
        f"please call back on 0{digits(rng, 2)}-{digits(rng, 4)}-{digits(rng, 4)} after five", "nobody was at home again",
    ])  # fmt: skip


def note_ja(rng, at):
    return rng.choice([
        "料金プランの変更について問い合わせがありました", "解約を希望しているため折り返し連絡が必要です",
        f"{rng.choice(SURNAMES[:10])}様より電話、来週訪問の予定です", "設定方法を説明し解決しました。追加対応は不要です",
    ])  # fmt: skip


def review(rng, at):
    return rng.choice([
        "the parcel was late but the box was fine", "very good value for the price and quick to set up",
        "broke after two weeks and the refund took ages", "does what it says and is easy to clean",
    ])  # fmt: skip


def review_ja(rng, at):
    return rng.choice([
        "とても使いやすく、家族みんなで楽しんでいます", "届くのが遅かったですが品質には満足しています",
        "お客様窓口の対応が良く、様々な機能も便利でした", "説明書が分かりにくく設定に時間がかかりました",
    ])  # fmt: skip


KNOWN = [  # the detector was made with these
    ("email", column(lambda r, a: f"{r.choice(FIRST).lower()}{a}@example.com"), "e-mail"),
    ("連絡用メールアドレス", column(lambda r, a: f"u{a}@example.co.jp"), "e-mail"),
    ("x1", column(lambda r, a: f"a.b{a}@mail.example.org"), "e-mail"),
    ("phone_number", column(pattern("(999) 999-9999")), "telephone"),
    ("mobile", column(pattern("07999 999999")), "telephone"),
    ("Telephone", column(pattern("999-999-9999")), "telephone"),
    ("電話番号", column(pattern("03-9999-9999")), "telephone"),
    ("携帯電話", column(pattern("09099999999")), "telephone"),
    ("自宅TEL", column(pattern("０４５－９９９－1234")), "telephone"),
    ("緊急連絡先", column(pattern("080-9999-9999")), "telephone"),
    ("col7", column(pattern("+44 20 9999 9999")), "telephone"),
    ("Name", column(person), "name"),
    ("full_name", column(person), "name"),
    ("first_name", column(one_of(*FIRST)), "name"),
    ("LastName", column(one_of(*LAST)), "name"),
    ("customerName", column(person), "name"),
    ("patient", column(person), "name"),
    ("buyer", column(person), "name"),
    ("氏名", column(person_ja), "name"),
    ("お名前", column(lambda r, a: person_ja(r, a, "")), "name"),
    ("姓", column(one_of(*SURNAMES)), "name"),
    ("名", column(one_of(*GIVEN)), "name"),
    ("担当者名", column(person_ja), "name"),
    ("担当", column(lambda r, a: person_ja(r, a, " ") if r.random() < 0.9 else "未定"), "name"),
    ("フリガナ", column(kana), "name"),
    ("氏名（カナ）", column(kana), "name"),
    ("セイ", column(one_of(*KANA)), "name"),
    ("口座名義", column(kana), "name"),
    ("保護者氏名", column(person_ja), "name"),
    ("nickname", column(lambda r, a: f"{r.choice(['neko', 'star', 'blue'])}{a}"), "nickname"),
    ("username", column(lambda r, a: f"{r.choice(FIRST)}_{a}"), "nickname"),
    ("ニックネーム", column(lambda r, a: f"{r.choice(['ねこ', 'そら', 'ひまわり'])}{a}"), "nickname"),
    ("ログインID", column(lambda r, a: f"taro{a}"), "nickname"),
    ("twitter_handle", column(lambda r, a: f"@{r.choice(FIRST)}{a}"), "nickname"),
    ("profile_url", column(lambda r, a: f"https://www.linkedin.com/in/{r.choice(LAST)}-{a}"), "profile"),
    ("link", column(lambda r, a: f"https://twitter.com/{r.choice(FIRST)}{a}"), "profile"),
    ("address", column(street), "address"),
    ("home_address", column(lambda r, a: f"Hauptstraße {a + 1}, 10115 Berlin"), "address"),
    ("ship_to", column(street), "address"),
    ("住所", column(address_ja), "address"),
    ("届け先", column(address_ja), "address"),
    ("現住所", column(lambda r, a: f"{r.choice(PREFECTURES[:4])}{r.choice(TOWNS)}"), "address"),
    ("郵便番号", column(pattern("999-9999")), "postal code"),
    ("zip_code", column(pattern("99999")), "postal code"),
    ("PostCode", column(pattern("AA9 9AA")), "postal code"),
    ("〒", column(pattern("〒999-9999")), "postal code"),
    ("home_lat", column(lambda r, a: 35 + r.random()), "coordinates"),
    ("自宅経度", column(lambda r, a: 139 + r.random()), "coordinates"),
    ("date_of_birth", column(day), "birth date"),
    ("dob", column(lambda r, a: day(r, a, form="{2}/{1}/{0}")), "birth date"),
    ("生年月日", column(era), "birth date"),
    ("誕生日", column(lambda r, a: day(r, a, form="{0}/{1}/{2}")), "birth date"),
    ("マイナンバー", column(checked("", 12, has_my_number_digit)), "My Number"),
    ("col12", column(checked("", 12, has_my_number_digit)), "My Number"),
    ("個人番号", column(pattern("999999999999")), "My Number"),
    ("card_number", column(checked("4", 16, has_luhn_digit)), "card number"),
    ("クレジットカード番号", column(pattern("4999-9999-9999-9999")), "card number"),
    ("z9", column(checked("51", 16, has_luhn_digit)), "card number"),
    ("iban", column(one_of("GB82WEST12345698765432", "DE89370400440532013000", "FR1420041010050500013M02606")), "bank account"),
    ("口座番号", column(pattern("9999999")), "bank account"),
    ("bank_account_number", column(pattern("9999999999")), "bank account"),
    ("ssn", column(pattern("199-45-9999")), "social security number"),
    ("national_insurance_no", column(pattern("AA999999A")), "social security number"),
    ("基礎年金番号", column(pattern("9999-999999")), "social security number"),
    ("passport_no", column(pattern("AA9999999")), "passport number"),
    ("パスポート番号", column(pattern("TK9999999")), "passport number"),
    ("運転免許証番号", column(pattern("999999999999")), "driver's licence"),
    ("driver_license", column(pattern("A9999999")), "driver's licence"),
    ("保険証番号", column(pattern("99999999")), "health insurance number"),
    ("被保険者番号", column(pattern("9999999")), "health insurance number"),
    ("license_plate", column(pattern("9AAA999")), "licence plate"),
    ("車両番号", column(lambda r, a: f"品川 {digits(r, 3)} あ {digits(r, 2)}-{digits(r, 2)}"), "licence plate"),
    ("ナンバー", column(lambda r, a: f"横浜530さ{digits(r, 2)}-{digits(r, 2)}"), "licence plate"),
    ("ip_address", column(lambda r, a: f"203.0.{r.randint(0, 255)}.{r.randint(0, 255)}"), "IP address"),
    ("client", column(lambda r, a: f"198.51.100.{r.randint(0, 255)}"), "IP address"),
    ("接続元IPアドレス", column(lambda r, a: f"10.0.{a}.{a}"), "IP address"),
    ("mac", column(pattern("hh:hh:hh:hh:hh:hh")), "MAC address"),
    ("adapter", column(pattern("hh-hh-hh-hh-hh-hh")), "MAC address"),
    ("device_id", column(pattern("hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh")), "device id"),
    ("IMEI", column(checked("35", 15, has_luhn_digit)), "device id"),
    ("端末ID", column(pattern("hhhhhhhhhhhhhhhh")), "device id"),
    ("customer_id", column(pattern("C99999")), "person number"),
    ("顧客ID", column(pattern("99999")), "person number"),
    ("会員番号", column(lambda r, a: a), "person number"),
    ("社員No", column(pattern("E9999")), "person number"),
    ("患者ID", column(pattern("P99999")), "person number"),
    ("学籍番号", column(pattern("99A9999")), "person number"),
    ("user_id", column(pattern("hhhhhhhh")), "person number"),
    ("診察券番号", column(pattern("999999")), "person number"),
    ("notes", column(note), "free text"),
    ("対応履歴", column(note_ja), "free text"),
    ("product_name", column(one_of("Blue Shirt", "Red Hat", "Oak Table", "Emma Dress")), ""),
    ("商品名", column(one_of("緑茶 500ml", "田中屋のせんべい", "鈴木さんちの味噌", "コーヒー豆")), ""),
    ("part_number", column(pattern("0123-9999-99")), ""),
    ("品番", column(pattern("A99-99999")), ""),
    ("型番", column(pattern("AB-9999A")), ""),
    ("order_id", column(pattern("250-9999999-9999999")), ""),
    ("注文番号", column(pattern("999999999999")), ""),
    ("city", column(one_of(*CITIES)), ""),
    ("都道府県", column(one_of(*PREFECTURES)), ""),
    ("市区町村", column(one_of("新宿区", "千代田区", "横浜市", "大野市", "山口市")), ""),
    ("市区町村名", column(one_of("新宿区", "横浜市", "中野区", "千葉市")), ""),
    ("price", column(lambda r, a: round(r.random() * 1000, 2)), ""),
    ("単価", column(lambda r, a: r.randint(100, 100000)), ""),
    ("batch_code", column(pattern("999999999999")), ""),
    ("barcode", column(lambda r, a: f"49{digits(r, 11)}"), ""),
    ("JANコード", column(lambda r, a: f"45{digits(r, 11)}"), ""),
    ("isbn", column(pattern("0-306-40999-9")), ""),
    ("version", column(lambda r, a: f"{r.randint(0, 9)}.{r.randint(0, 20)}.{r.randint(0, 9)}"), ""),
    ("app_version", column(lambda r, a: f"1.{a}.0.{r.randint(0, 20)}"), ""),
    ("signup_date", column(lambda r, a: day(r, a, 2015, 2025)), ""),
    ("設立年月日", column(lambda r, a: day(r, a, 1950, 2020)), ""),
    ("更新日", column(lambda r, a: f"令和{r.randint(1, 7)}年{r.randint(1, 12)}月1日"), ""),
    ("地域", column(one_of("関東", "関西", "九州", "東北")), ""),
    ("職業", column(one_of("会社員", "自営業", "学生", "主婦")), ""),
    ("血液型", column(one_of("A", "B", "O", "AB")), ""),
    ("性別", column(one_of("男性", "女性")), ""),
    ("会社名", column(one_of("田中商店", "鈴木工業", "株式会社山田", "佐藤製作所")), ""),
    ("company", column(one_of("Red Hat", "Morgan Stanley", "Levi Strauss", "James Hardie")), ""),
    ("法人番号", column(checked("", 13, has_corporate_digit)), ""),
    ("corporate_number", column(checked("4", 13, has_corporate_digit)), ""),
    ("店舗名", column(one_of("新宿店", "梅田本店", "横浜西口店")), ""),
    ("store_address", column(street), ""),
    ("店舗電話番号", column(pattern("03-9999-9999")), ""),
    ("supplier_name", column(one_of("Acme Tools", "North Sea Fish", "Blue Cow Dairy")), ""),
    ("tracking", column(lambda r, a: 10**15 + 982_451_653 * a), ""),
    ("serial_number", column(pattern("SN99999999")), ""),
    ("timestamp", column(lambda r, a: 1_600_000_000_000 + 86_400_123 * a), ""),
    ("birth_weight", column(lambda r, a: r.randint(2000, 4500)), ""),
    ("birth_year", column(lambda r, a: r.randint(1930, 2005)), ""),
    ("phone_service", column(one_of("Yes", "No")), ""),
    ("phone_minutes", column(lambda r, a: r.random() * 10_000_000), ""),
    ("email_opt_in", column(one_of("yes", "no")), ""),
    ("passport_held", column(one_of("yes", "no")), ""),
    ("メール配信", column(one_of("希望", "不要")), ""),
    ("latitude", column(lambda r, a: 35 + r.random()), ""),
    ("lon", column(lambda r, a: 139 + r.random()), ""),
    ("product_id", column(pattern("P99999")), ""),
    ("number_of_customers", column(lambda r, a: r.randint(0, 900)), ""),
    ("customer_segment", column(one_of("gold", "silver", "new")), ""),
    ("user_agent", column(one_of("Mozilla/5.0 (X11)", "curl/8.1.2", "Safari/605.1.15")), ""),
    ("image_url", column(lambda r, a: f"https://cdn.example.com/p/{a}.jpg"), ""),
    ("color", column(one_of("light blue", "dark red", "rose", "olive")), ""),
    ("review", column(review), ""),
    ("口コミ", column(review_ja), ""),
    ("device_model", column(one_of("Pixel 9", "iPhone 15", "Galaxy S24")), ""),
    ("sensor_id", column(lambda r, a: f"sensor-{a:04}"), ""),
    ("sha256", column(pattern("h" * 64)), ""),
    ("file_name", column(lambda r, a: f"report_{a}.pdf"), ""),
    ("駅名", column(one_of("新宿", "渋谷", "中野", "大塚", "目黒")), ""),
    ("診療科", column(one_of("内科", "外科", "小児科")), ""),
    ("invoice_no", column(pattern("099999999999")), ""),
    ("country", column(one_of("Japan", "France", "Jordan", "Chad")), ""),
    ("month", column(one_of("April", "May", "June", "August")), ""),
    ("取引日時", column(lambda r, a: f"{day(r, a, 2020, 2025)} 12:{a % 60:02}:00"), ""),
    ("保険料", column(lambda r, a: r.randint(1000, 90000)), ""),
    ("免許有無", column(one_of("有", "無")), ""),
    ("zip_file_size", column(lambda r, a: r.randint(1000, 99999)), ""),
]  # fmt: skip

MORE = [  # unseen at first, when 76 of 98 were found with four wrong ones; the detector was mended with them
    ("Full Name", column(person),"name"),
    ("Passenger Name",column(lambda r,a:f"{r.choice(LAST)}, Mr. {r.choice(FIRST)}"),"name"),
    ("contact_person",column(person),"name"),
    ("顧客名",column(person_ja),"name"),
    ("利用者氏名",column(lambda r,a:person_ja(r,a,"")),"name"),
    ("申込者氏名カナ",column(kana),"name"),
    ("ｶﾅ氏名",column(lambda r,a:f"{r.choice(['ｻﾄｳ','ｽｽﾞｷ'])} {r.choice(['ﾀﾛｳ','ﾊﾅｺ'])}"),"name"),
    ("name_kanji",column(person_ja),"name"),
    ("name_kana",column(kana),"name"),
    ("sei",column(one_of(*SURNAMES)),"name"),
    ("mei",column(one_of(*GIVEN)),"name"),
    ("emergency_contact_name",column(person),"name"),
    ("spouse",column(person),"name"),
    ("teacher",column(person),"name"),
    ("author",column(person),"name"),
    ("医師名",column(person_ja),"name"),
    ("主治医",column(person_ja),"name"),
    ("氏名(漢字)",column(person_ja),"name"),
    ("代表者",column(person_ja),"name"),
    ("営業担当",column(person_ja),"name"),
    ("col_a",column(person_ja),"name"),
    ("喪主",column(lambda r,a:person_ja(r,a,"")),"name"),
    ("mail_address",column(lambda r,a:f"x{a}@a.jp"),"e-mail"),
    ("携帯番号",column(pattern("080-9999-9999")),"telephone"),
    ("TEL1",column(pattern("03(9999)9999")),"telephone"),
    ("phone1",column(lambda r,a:int("9"+digits(r,9))),"telephone"),
    ("緊急連絡先電話",column(pattern("090 9999 9999")),"telephone"),
    ("fax_no",column(pattern("06-9999-9999")),"telephone"),
    ("住所1",column(address_ja),"address"),
    ("番地",column(lambda r,a:f"{r.randint(1,9)}丁目{r.randint(1,20)}番{r.randint(1,9)}号"),"address"),
    ("address_line_1",column(street),"address"),
    ("residential_address",column(street),"address"),
    ("本籍地",column(lambda r,a:f"{r.choice(PREFECTURES)}{r.choice(['宇都宮市','前橋市'])}"),"address"),
    ("送付先住所",column(address_ja),"address"),
    ("mailing_address",column(lambda r,a:f"PO Box {a+100}, Leeds"),"address"),
    ("建物名・部屋番号",column(lambda r,a:f"メゾン{r.choice('ABC')} {r.randint(101,909)}号室"),"address"),
    ("zip5",column(pattern("99999")),"postal code"),
    ("postal",column(pattern("999-9999")),"postal code"),
    ("〒番号",column(pattern("9999999")),"postal code"),
    ("生年月日(西暦)",column(lambda r,a:day(r,a,form="{0}{1:02}{2:02}")),"birth date"),
    ("birth_dt",column(day),"birth date"),
    ("DateOfBirth",column(day),"birth date"),
    ("患者生年月日",column(lambda r,a:f"S{r.randint(10,60)}.{r.randint(1,12)}.{r.randint(1,28)}"),"birth date"),
    ("birthdate_ymd",column(lambda r,a:int(day(r,a,form="{0}{1:02}{2:02}"))),"birth date"),
    ("個人番号(マイナンバー)",column(pattern("9999 9999 9999")),"My Number"),
    ("cc_num",column(checked("4",16,has_luhn_digit)),"card number"),
    ("card",column(checked("5500",16,has_luhn_digit)),"card number"),
    ("account_no",column(pattern("9999999")),"bank account"),
    ("普通預金口座番号",column(pattern("9999999")),"bank account"),
    ("acct_num",column(pattern("9999999999")),"bank account"),
    ("口座",column(pattern("999-9999999")),"bank account"),
    ("social_security_number",column(pattern("299-49-9999")),"social security number"),
    ("NHS Number",column(pattern("999 999 9999")),"health insurance number"),
    ("national_id",column(pattern("99999999A")),"social security number"),
    ("雇用保険被保険者番号",column(pattern("9999-999999-9")),"social security number"),
    ("健康保険証番号",column(pattern("999999")),"health insurance number"),
    ("被保険者証記号番号",column(pattern("99-9999")),"health insurance number"),
    ("insurance_id",column(pattern("A99999999")),"health insurance number"),
    ("運転免許番号",column(pattern("999999999999")),"driver's licence"),
    ("dl_number",column(pattern("A9999999")),"driver's licence"),
    ("license_no",column(pattern("A9999999")),"driver's licence"),
    ("plate",column(pattern("AAA-9999")),"licence plate"),
    ("登録ナンバー",column(lambda r,a:f"品川300あ{digits(r,2)}-{digits(r,2)}"),"licence plate"),
    ("vehicle_plate",column(pattern("AAA 999")),"licence plate"),
    ("client_ip",column(lambda r,a:f"10.1.{a}.7"),"IP address"),
    ("ip_addr",column(lambda r,a:f"10.1.{a}.7"),"IP address"),
    ("IPv6",column(lambda r,a:f"fe80::{a+1:x}"),"IP address"),
    ("MACアドレス",column(pattern("hh:hh:hh:hh:hh:hh")),"MAC address"),
    ("imei",column(pattern("999999999999999")),"device id"),
    ("android_id",column(pattern("hhhhhhhhhhhhhhhh")),"device id"),
    ("idfa",column(pattern("hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh")),"device id"),
    ("cookie_id",column(pattern("hhhhhhhhhhhhhhhhhhhh")),"device id"),
    ("twitter",column(lambda r,a:f"@neko{a}"),"nickname"),
    ("handle",column(lambda r,a:f"neko{a}"),"nickname"),
    ("LINE ID",column(lambda r,a:f"neko_{a}"),"nickname"),
    ("アカウント",column(lambda r,a:f"neko{a}"),"nickname"),
    ("投稿者",column(lambda r,a:f"ねこ{a}"),"nickname"),
    ("blog_url",column(lambda r,a:f"https://ameblo.jp/neko{a}/"),"profile"),
    ("linkedin",column(lambda r,a:f"linkedin.com/in/neko{a}"),"profile"),
    ("gps",column(lambda r,a:f"35.{digits(r,5)},139.{digits(r,5)}"),"coordinates"),
    ("home_longitude",column(lambda r,a:139+r.random()),"coordinates"),
    ("自宅座標",column(lambda r,a:f"35.{digits(r,5)}, 139.{digits(r,5)}"),"coordinates"),
    ("CustomerNo",column(lambda r,a:a),"person number"),
    ("会員ID",column(pattern("M9999")),"person number"),
    ("member_id",column(pattern("M9999")),"person number"),
    ("student_no",column(pattern("S9999")),"person number"),
    ("職員番号",column(pattern("9999")),"person number"),
    ("カルテNo",column(pattern("99999")),"person number"),
    ("subject_id",column(pattern("S999")),"person number"),
    ("participant_id",column(pattern("S999")),"person number"),
    ("patient_no",column(pattern("999")),"person number"),
    ("uid",column(pattern("99999")),"person number"),
    ("loyalty_number",column(pattern("99999999")),"person number"),
    ("顧客管理番号",column(pattern("99999")),"person number"),
    ("被験者ID",column(pattern("S999")),"person number"),
    ("メモ",column(lambda r,a:r.choice(["山本さんから伝言。明日の午後に再訪問する","料金の件で説明、ご納得いただいた様子でした","次回は090-1234-5678へ連絡する約束をしました"])),"free text"),
    ("free_text",column(lambda r,a:r.choice(["My name is Sarah and I would like a refund","the app keeps crashing when I open it","email me at jo@example.com about the order please"])),"free text"),
    ("問い合わせ内容",column(lambda r,a:r.choice(["渡辺と申しますが、請求について教えてください","サイトにログインできず困っております","返品の方法を教えていただけますでしょうか"])),"free text"),
    ("part_no",column(pattern("123-4567")),""),
    ("sku_code",column(pattern("99999")),""),
    ("製番",column(pattern("99999999")),""),
    ("ロット番号",column(pattern("999999999999")),""),
    ("管理番号",column(pattern("999999999999")),""),
    ("受付番号",column(pattern("2024-9999-9999")),""),
    ("order_number",column(pattern("999-999-9999")),""),
    ("ticket",column(pattern("A/5 99999")),""),
    ("transaction_id",column(pattern("hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh")),""),
    ("tracking_number",column(pattern("9999-9999-9999")),""),
    ("請求書番号",column(pattern("INV-99999")),""),
    ("JAN",column(lambda r,a:f"49{digits(r,11)}"),""),
    ("gtin",column(lambda r,a:f"0{digits(r,13)}"),""),
    ("model_no",column(pattern("AA9999")),""),
    ("電圧",column(lambda r,a:r.random()*100),""),
    ("電話件数",column(lambda r,a:r.randint(0,30)),""),
    ("メール開封数",column(lambda r,a:r.randint(0,30)),""),
    ("住所コード",column(pattern("99999")),""),
    ("市町村コード",column(pattern("99999")),""),
    ("area_code",column(pattern("099")),""),
    ("brand",column(one_of("Calvin Klein","Ralph Lauren","Tommy Hilfiger","Hugo Boss")),""),
    ("ブランド",column(one_of("山本山","伊藤園","森永","明治")),""),
    ("映画タイトル",column(one_of("男はつらいよ","七人の侍","東京物語")),""),
    ("street_type",column(one_of("Road","Lane")),""),
    ("district",column(one_of("Chelsea","Camden","Victoria")),""),
    ("neighborhood",column(one_of("St Helier","Queens","Brooklyn")),""),
    ("station",column(one_of("King's Cross","Victoria","Baker Street")),""),
    ("学校名",column(one_of("山田小学校","中野高校")),""),
    ("施設名",column(one_of("高橋病院","佐藤クリニック")),""),
    ("支店名",column(one_of("渋谷支店","横浜支店")),""),
    ("部署",column(one_of("営業部","総務部")),""),
    ("department",column(one_of("Sales","Human Resources")),""),
    ("position",column(one_of("Senior Engineer","Project Manager")),""),
    ("国籍",column(one_of("日本","中国")),""),
    ("nationality",column(one_of("Japan","Jordan")),""),
    ("language",column(one_of("English","French")),""),
    ("age",column(lambda r,a:r.randint(18,90)),""),
    ("年齢",column(lambda r,a:r.randint(18,90)),""),
    ("gender",column(one_of("M","F")),""),
    ("marital",column(one_of("single","married")),""),
    ("married_on",column(day),""),
    ("入社年月日",column(day),""),
    ("hire_date",column(day),""),
    ("契約日",column(day),""),
    ("last_login",column(lambda r,a:day(r,a)+" 10:00:00"),""),
    ("login_count",column(lambda r,a:r.randint(0,99)),""),
    ("emails_sent",column(lambda r,a:r.randint(0,99)),""),
    ("mobile_app",column(one_of("yes","no")),""),
    ("cell_size",column(lambda r,a:r.random()*9),""),
    ("cell_type",column(one_of("T cell","B cell")),""),
    ("phone_brand",column(one_of("Apple","Sony")),""),
    ("tel_visits",column(lambda r,a:r.randint(0,9)),""),
    ("address_count",column(lambda r,a:r.randint(0,9)),""),
    ("memory_address",column(pattern("0xhhhhhhhh")),""),
    ("zip_ratio",column(lambda r,a:r.random()),""),
    ("ip_count",column(lambda r,a:r.randint(0,9)),""),
    ("macd",column(lambda r,a:r.random()),""),
    ("pan_size",column(lambda r,a:r.random()),""),
    ("tin_content",column(lambda r,a:round(r.random()*10,3)),""),
    ("sin",column(lambda r,a:r.random()),""),
    ("lat_store",column(lambda r,a:35+r.random()),""),
    ("GPS_error",column(lambda r,a:r.random()),""),
    ("username_length",column(lambda r,a:r.randint(3,20)),""),
    ("alias_count",column(lambda r,a:r.randint(0,9)),""),
    ("nick_rate",column(lambda r,a:r.random()),""),
    ("class_name",column(one_of("Iris-setosa","Iris-virginica")),""),
    ("variable_name",column(one_of("alpha","beta","gamma")),""),
    ("file",column(lambda r,a:f"/home/x/{a}.txt"),""),
    ("url",column(lambda r,a:f"https://example.com/item/{a}"),""),
    ("domain",column(lambda r,a:f"site{a}.example.com"),""),
    ("app",column(one_of("Facebook","Twitter Lite")),""),
    ("hex_color",column(pattern("#hhhhhh")),""),
    ("postal_charge",column(lambda r,a:r.randint(100,900)),""),
    ("送料",column(lambda r,a:r.randint(100,900)),""),
    ("口座数",column(lambda r,a:r.randint(1,9)),""),
    ("口座種別",column(one_of("普通","当座")),""),
    ("カード会社",column(one_of("JCB","VISA")),""),
    ("card_type",column(one_of("visa","amex")),""),
    ("保険会社",column(one_of("東京海上","損保ジャパン")),""),
    ("insurance_type",column(one_of("public","private")),""),
    ("免許種別",column(one_of("普通","大型")),""),
    ("氏名有無",column(one_of("有","無")),""),
    ("顧客満足度",column(lambda r,a:r.randint(1,5)),""),
    ("会員種別",column(one_of("一般","特別")),""),
    ("患者数",column(lambda r,a:r.randint(1,500)),""),
    ("customer_lifetime_value",column(lambda r,a:r.random()*1000),""),
    ("user_rating",column(lambda r,a:r.randint(1,5)),""),
    ("employee_count",column(lambda r,a:r.randint(1,5000)),""),
    ("player_position",column(one_of("Goalkeeper","Left Wing")),""),
    ("horse_name",column(one_of("Red Rum","Mr Ed")),""),
    ("pet",column(one_of("Bella","Max","Charlie")),""),
    ("ship_name",column(one_of("Queen Mary","Queen Elizabeth")),""),
    ("season",column(one_of("Summer","Autumn")),""),
    ("dish",column(one_of("Chicken Kiev","Peach Melba")),""),
    ("コメント",column(review_ja),""),
    ("feedback",column(review),""),
    ("product_review",column(lambda r,a:r.choice(["Great phone and fast delivery from the shop","The Grace Kelly bag is lovely but small"])),""),
    ("天気",column(one_of("晴れ","曇り")),""),
    ("観測所",column(one_of("東京","福岡")),""),
    ("epoch_ms",column(lambda r,a:1700000000000+a*86400001),""),
    ("build",column(lambda r,a:f"10.0.{r.randint(100,999)}.{r.randint(0,9)}"),""),
    ("revision",column(lambda r,a:f"{r.randint(1,9)}.{r.randint(0,9)}.{r.randint(100,900)}.{r.randint(0,9)}"),""),
    ("法人番号13桁",column(checked("",13,has_corporate_digit)),""),
    ("登録番号",column(pattern("T9999999999999")),""),
    ("証券コード",column(pattern("9999")),""),
    ("氏神",column(one_of("稲荷","八幡")),""),
]  # fmt: skip

UNSEEN = [  # written before the detector was first run; its misses were never looked at (at first 64 of 68, 2 wrong)
    ("e-mail address", column(lambda r, a: f"{r.choice(LAST).replace(chr(39), '').lower()}.{a}@corp.example"), "e-mail"),
    ("Eメール", column(lambda r, a: f"k{a}@example.ne.jp"), "e-mail"),
    ("contact", column(lambda r, a: f"{a}x@example.net" if r.random() < 0.85 else "n/a yet"), "e-mail"),
    ("Cell Phone", column(pattern("+1-999-999-9999")), "telephone"),
    ("work phone", column(pattern("999.999.9999")), "telephone"),
    ("ご連絡先電話番号", column(pattern("0120-999-999")), "telephone"),
    ("FAX", column(pattern("06-9999-9999")), "telephone"),
    ("v3", column(pattern("090-9999-9999")), "telephone"),
    ("Surname", column(one_of(*LAST)), "name"),
    ("given name", column(one_of(*FIRST)), "name"),
    ("EmployeeName", column(lambda r, a: f"{r.choice(LAST)}, {r.choice(FIRST)}"), "name"),
    ("doctor_name", column(lambda r, a: f"Dr. {r.choice(FIRST)} {r.choice(LAST)}"), "name"),
    ("account holder", column(person), "name"),
    ("患者氏名", column(lambda r, a: person_ja(r, a, "　")), "name"),
    ("契約者", column(person_ja), "name"),
    ("氏名カナ", column(kana), "name"),
    ("ふりがな", column(one_of("さとう たろう", "すずき はなこ", "おち けん")), "name"),
    ("世帯主名", column(lambda r, a: person_ja(r, a, "")), "name"),
    ("shimei", column(person_ja), "name"),
    ("screenName", column(lambda r, a: f"{r.choice(FIRST).lower()}.{a}"), "nickname"),
    ("ハンドルネーム", column(lambda r, a: f"くま{a}"), "nickname"),
    ("instagram", column(lambda r, a: f"@{r.choice(FIRST).lower()}_{a}"), "nickname"),
    ("Facebook page", column(lambda r, a: f"https://www.facebook.com/{r.choice(FIRST)}.{a}"), "profile"),
    ("github", column(lambda r, a: f"github.com/{r.choice(LAST)}{a}"), "profile"),
    ("Street", column(lambda r, a: f"{a + 1} Church Avenue"), "address"),
    ("billing address", column(street), "address"),
    ("お届け先住所", column(address_ja), "address"),
    ("自宅住所", column(lambda r, a: f"愛知県名古屋市中区栄{a + 1}丁目"), "address"),
    ("Zip", column(lambda r, a: r.randint(10000, 99999)), "postal code"),
    ("配送先郵便番号", column(pattern("9999999")), "postal code"),
    ("postal code", column(pattern("A9A 9A9")), "postal code"),
    ("user_longitude", column(lambda r, a: -0.1 - r.random()), "coordinates"),
    ("居住地の緯度", column(lambda r, a: 34 + r.random()), "coordinates"),
    ("Birthday", column(lambda r, a: day(r, a, form="{1}/{2}/{0}")), "birth date"),
    ("birth_date", column(lambda r, a: pd.Timestamp(day(r, a))), "birth date"),
    ("出生年月日", column(lambda r, a: day(r, a, form="{0}年{1}月{2}日")), "birth date"),
    ("お誕生日", column(lambda r, a: day(r, a, form="{0}.{1:02}.{2:02}")), "birth date"),
    ("my number", column(checked("1", 12, has_my_number_digit)), "My Number"),
    ("f5", column(lambda r, a: int(checked("7", 12, has_my_number_digit)(r, a))), "My Number"),
    ("credit card", column(checked("37", 15, has_luhn_digit)), "card number"),
    ("カード番号", column(checked("35", 16, has_luhn_digit)), "card number"),
    ("payment", column(checked("6011", 16, has_luhn_digit)), "card number"),
    ("refund account", column(one_of("NL91ABNA0417164300", "GB82WEST12345698765432")), "bank account"),
    ("銀行口座番号", column(pattern("0999999")), "bank account"),
    ("Social Security No", column(pattern("299459999")), "social security number"),
    ("aadhaar_number", column(pattern("9999 9999 9999")), "social security number"),
    ("在留カード番号", column(pattern("AB99999999CD")), "social security number"),
    ("Passport Number", column(pattern("999999999")), "passport number"),
    ("旅券番号", column(pattern("MZ9999999")), "passport number"),
    ("免許証番号", column(pattern("309999999999")), "driver's licence"),
    ("drivers licence number", column(pattern("AAAAA999999AA9AA")), "driver's licence"),
    ("健康保険証記号番号", column(pattern("9999-99999")), "health insurance number"),
    ("health insurance no", column(pattern("A999999999")), "health insurance number"),
    ("number plate", column(pattern("AA99 AAA")), "licence plate"),
    ("ナンバープレート", column(lambda r, a: f"なにわ 500 た {digits(r, 2)}-{digits(r, 2)}"), "licence plate"),
    ("source_ip", column(lambda r, a: f"2001:db8::{a:x}"), "IP address"),
    ("remote", column(lambda r, a: f"172.16.{r.randint(100, 255)}.{r.randint(0, 255)}"), "IP address"),
    ("wifi_mac", column(pattern("hhhh.hhhh.hhhh")), "MAC address"),
    ("advertising id", column(pattern("hhhhhhhh-hhhh-4hhh-hhhh-hhhhhhhhhhhh")), "device id"),
    ("広告ID", column(pattern("hhhhhhhh-hhhh-4hhh-hhhh-hhhhhhhhhhhh")), "device id"),
    ("ClientNumber", column(lambda r, a: 1000 + a), "person number"),
    ("employee code", column(pattern("99999")), "person number"),
    ("お客様番号", column(pattern("9999-9999")), "person number"),
    ("利用者ID", column(pattern("U9999")), "person number"),
    ("従業員コード", column(pattern("9999")), "person number"),
    ("PatientId", column(lambda r, a: a), "person number"),
    ("comment", column(lambda r, a: r.choice([
        "Regards, Peter and the whole team of sales", "no complaint so far, all is well", "Mrs. Novak asked for a discount today",
        "moved house in March and wants a new router"])), "free text"),
    ("備考欄", column(lambda r, a: r.choice([
        "高橋さんへ折り返しの連絡をお願いします", "請求書の再発行を希望されています", "特に問題はなく通常通りの対応で完了"])), "free text"),
    ("item", column(one_of("Oak Chair", "Rose Soap", "Grace Lamp", "Summer Tent")), ""),
    ("title", column(one_of("Harry Potter", "Jane Eyre", "Oliver Twist", "Emma")), ""),
    ("製品名", column(one_of("冷蔵庫", "洗濯機", "森永の牛乳", "炊飯器")), ""),
    ("部品番号", column(pattern("99-9999-99")), ""),
    ("SKU", column(pattern("AAA-9999-AA")), ""),
    ("受注番号", column(pattern("ORD-999999")), ""),
    ("伝票番号", column(pattern("9999-9999-9999")), ""),
    ("purchase order", column(pattern("PO99999999")), ""),
    ("town", column(one_of("Lincoln", "Jackson", "Florence", "Madison")), ""),
    ("配達地域", column(one_of("千代田区", "港区", "福島市", "宮崎市")), ""),
    ("出身地", column(one_of("福島", "山口", "石川", "宮崎", "千葉")), ""),
    ("amount", column(lambda r, a: round(r.random() * 1e6, 2)), ""),
    ("売上金額", column(lambda r, a: r.randint(10**6, 10**9)), ""),
    ("lot", column(pattern("299999999999")), ""),
    ("ean", column(lambda r, a: f"40{digits(r, 11)}"), ""),
    ("firmware", column(lambda r, a: f"{r.randint(1, 9)}.{r.randint(0, 99)}.{r.randint(0, 99)}.{r.randint(0, 99)}"), ""),
    ("contract_start", column(lambda r, a: day(r, a, 2010, 2024)), ""),
    ("購入日", column(lambda r, a: day(r, a, 2019, 2025, "{0}年{1}月{2}日")), ""),
    ("製造年月日", column(lambda r, a: day(r, a, 2019, 2025)), ""),
    ("業種", column(one_of("製造業", "小売業", "金融業", "農林業")), ""),
    ("支払方法", column(one_of("クレジットカード", "口座振替", "現金")), ""),
    ("取引先名", column(one_of("山本商事", "高橋産業", "伊藤食品")), ""),
    ("employer", column(one_of("Smith and Sons", "Johnson Controls", "Kim Logistics")), ""),
    ("支店コード", column(pattern("999")), ""),
    ("facility name", column(one_of("Saint Mary Hospital", "North Clinic", "John Radcliffe Hospital")), ""),
    ("branch_phone", column(pattern("020 9999 9999")), ""),
    ("倉庫住所", column(address_ja), ""),
    ("machine_serial", column(pattern("9999999999999999")), ""),
    ("epoch", column(lambda r, a: 1_500_000_000 + 1000 * a), ""),
    ("gestational_age_at_birth", column(lambda r, a: r.randint(30, 42)), ""),
    ("contact_method", column(one_of("phone", "email", "post")), ""),
    ("has_email", column(one_of("true", "false")), ""),
    ("station_lat", column(lambda r, a: 51 + r.random()), ""),
    ("緯度", column(lambda r, a: 35 + r.random()), ""),
    ("session_length", column(lambda r, a: r.randint(1, 10**9)), ""),
    ("plan_id", column(lambda r, a: r.randint(1, 9)), ""),
    ("customer_count", column(lambda r, a: r.randint(1, 999)), ""),
    ("member_type", column(one_of("regular", "premium")), ""),
    ("会員ランク", column(one_of("ゴールド", "シルバー", "一般")), ""),
    ("顧客区分", column(one_of("法人", "個人")), ""),
    ("homepage_category", column(one_of("news", "sport", "shop")), ""),
    ("document_url", column(lambda r, a: f"https://docs.example.com/{a}"), ""),
    ("flower", column(one_of("rose", "lily", "daisy", "iris")), ""),
    ("description", column(lambda r, a: r.choice(["a sturdy table made of oak and steel", "soft towel for bath and beach use"])), ""),
    ("商品説明", column(lambda r, a: r.choice(["軽くて丈夫なアルミ製の折りたたみ椅子です", "様々な場面で使える便利な収納ケース"])), ""),
    ("os", column(one_of("Android 15", "iOS 18.1", "Windows 11")), ""),
    ("commit", column(pattern("h" * 40)), ""),
    ("路線", column(one_of("山手線", "中央線", "東横線")), ""),
    ("species", column(one_of("Gentoo penguin", "Adelie Penguin", "Pygoscelis papua")), ""),
    ("team", column(one_of("Leeds United", "Aston Villa", "Crystal Palace")), ""),
    ("weekday", column(one_of("Monday", "Friday", "Sunday")), ""),
    ("病名", column(one_of("高血圧", "糖尿病", "喘息")), ""),
    ("保険種別", column(one_of("国保", "社保", "後期高齢")), ""),
    ("車種", column(one_of("プリウス", "フィット", "軽トラック")), ""),
    ("regression_coefficient", column(lambda r, a: r.random() * 40), ""),
    ("case_number", column(pattern("2024-999999")), ""),
    ("測定日時", column(lambda r, a: f"{day(r, a, 2020, 2025)}T12:{a % 60:02}:00"), ""),
]  # fmt: skip


# At first sight 64 of 73 were found, and one of 62 wrongly; each miss was mended as a kind.
FOURTH = [
    ("applicant_full_name", column(lambda r, a: f"{r.choice(FIRST)} {r.choice(LAST)}"), "name"),
    ("Surname", column(one_of(*LAST)), "name"),
    ("givenNames", column(one_of(*FIRST)), "name"),
    ("kontaktperson", column(lambda r, a: f"{r.choice(FIRST)} {r.choice(LAST)}"), "name"),
    ("signatory", column(lambda r, a: f"{r.choice(FIRST)} {r.choice(LAST)}"), "name"),
    ("next_of_kin", column(lambda r, a: f"{r.choice(FIRST)} {r.choice(LAST)}"), "name"),
    ("employee", column(lambda r, a: f"{r.choice(LAST)}, {r.choice(FIRST)}"), "name"),
    ("ordered_by", column(lambda r, a: f"{r.choice(FIRST)} {r.choice(LAST)}"), "name"),
    ("attending_physician", column(lambda r, a: f"Dr {r.choice(LAST)}"), "name"),
    ("会員氏名", column(lambda r, a: f"{r.choice(SURNAMES)} {r.choice(GIVEN)}"), "name"),
    ("お名前", column(lambda r, a: f"{r.choice(SURNAMES)}{r.choice(GIVEN)}"), "name"),
    ("氏名（カナ）", column(lambda r, a: f"{r.choice(KANA)} {r.choice(KANA_GIVEN)}"), "name"),
    ("申請者", column(lambda r, a: f"{r.choice(SURNAMES)} {r.choice(GIVEN)}"), "name"),
    ("飼い主", column(lambda r, a: f"{r.choice(SURNAMES)} {r.choice(GIVEN)}"), "name"),
    ("入院患者名", column(lambda r, a: f"{r.choice(SURNAMES)}{r.choice(GIVEN)}"), "name"),
    ("請求先氏名", column(lambda r, a: f"{r.choice(SURNAMES)} {r.choice(GIVEN)}"), "name"),
    ("work_email", column(lambda r, a: f"{r.choice(FIRST).lower()}{a}@corp.example"), "e-mail"),
    ("reply_to", column(lambda r, a: f"{r.choice(FIRST).lower()}{a}@mail.example"), "e-mail"),
    ("Eメールアドレス", column(lambda r, a: f"u{a}@docomo.example.jp"), "e-mail"),
    ("連絡用メアド", column(lambda r, a: f"u{a}@post.example"), "e-mail"),
    ("daytime_phone", column(pattern("(999) 999-9999")), "telephone"),
    ("cell_no", column(pattern("0799 9999999")), "telephone"),
    ("emergency_contact_tel", column(pattern("+44 7999 999999")), "telephone"),
    ("日中の連絡先", column(pattern("03-9999-9999")), "telephone"),
    ("携帯電話番号", column(pattern("09099999999")), "telephone"),
    ("自宅TEL", column(pattern("045-999-9999")), "telephone"),
    ("home_addr", column(lambda r, a: f"{r.randint(1, 99)} {r.choice(['Oak', 'Mill', 'High'])} Street, {r.choice(CITIES)}"), "address"),
    ("mailing_address_line_1", column(lambda r, a: f"{r.randint(1, 999)} {r.choice(['Elm', 'Lake'])} Ave"), "address"),
    ("wohnadresse", column(lambda r, a: f"{r.choice(['Haupt', 'Garten'])}str. {r.randint(1, 99)}"), "address"),
    ("現住所", column(lambda r, a: f"{r.choice(TOWNS)}{r.randint(1, 9)}-{r.randint(1, 20)}"), "address"),
    ("お届け先住所", column(lambda r, a: f"東京都{r.choice(TOWNS)}{r.randint(1, 9)}丁目"), "address"),
    ("本籍地", column(lambda r, a: f"福岡県{r.choice(TOWNS)}{r.randint(1, 99)}番地"), "address"),
    ("zip_plus4", column(pattern("99999-9999")), "postal code"),
    ("post_code", column(pattern("A99 9AA")), "postal code"),
    ("郵便番号", column(pattern("999-9999")), "postal code"),
    ("住所_〒", column(pattern("999-9999")), "postal code"),
    ("birth_dt", column(day), "birth date"),
    ("dateOfBirth", column(lambda r, a: day(r, a, form="{1:02}/{2:02}/{0}")), "birth date"),
    ("patient_dob", column(day), "birth date"),
    ("お誕生日", column(lambda r, a: day(r, a, form="{0}年{1}月{2}日")), "birth date"),
    ("生年月日_和暦", column(lambda r, a: f"昭和{r.randint(10, 60)}年{r.randint(1, 12)}月{r.randint(1, 28)}日"), "birth date"),
    ("employee_ssn", column(pattern("123-45-9999")), "social security number"),
    ("niNumber", column(pattern("AB999999A")), "social security number"),
    ("基礎年金番号", column(pattern("9999-999999")), "social security number"),
    ("個人番号", column(checked("", 12, has_my_number_digit)), "My Number"),
    ("passport_num", column(pattern("AA9999999")), "passport number"),
    ("旅券番号", column(pattern("AA9999999")), "passport number"),
    ("driving_licence_no", column(pattern("AAAAA999999AA9AA")), "driver's licence"),
    ("運転免許証番号", column(pattern("999999999999")), "driver's licence"),
    ("insurance_policy_holder_no", column(pattern("99999999")), "person number"),
    ("被保険者証番号", column(pattern("99999999")), "health insurance number"),
    ("beneficiary_iban", column(one_of("GB82WEST12345698765432", "DE89370400440532013000", "FR1420041010050500013M02606")), "bank account"),
    ("振込先口座番号", column(pattern("9999999")), "bank account"),
    ("payment_card", column(checked("4", 16, has_luhn_digit)), "card number"),
    ("クレカ番号", column(checked("51", 16, has_luhn_digit)), "card number"),
    ("client_ip", column(lambda r, a: f"203.{r.randint(100, 255)}.{r.randint(0, 255)}.{r.randint(1, 254)}"), "IP address"),
    ("last_login_ip", column(lambda r, a: f"2001:db8::{r.randint(1, 9999):x}"), "IP address"),
    ("接続元IPアドレス", column(lambda r, a: f"192.0.{r.randint(0, 255)}.{r.randint(1, 254)}"), "IP address"),
    ("wifi_mac", column(lambda r, a: ":".join(pattern("hh")(r, a) for _ in range(6))), "MAC address"),
    ("phone_imei", column(checked("35", 15, has_luhn_digit)), "device id"),
    ("vehicle_reg", column(pattern("AA99 AAA")), "licence plate"),
    ("車のナンバー", column(lambda r, a: f"品川 3{digits(r, 2)} あ {digits(r, 2)}-{digits(r, 2)}"), "licence plate"),
    ("twitter_handle", column(lambda r, a: f"@{r.choice(FIRST).lower()}{a}"), "nickname"),
    ("ハンドルネーム", column(lambda r, a: f"{r.choice(['ねこ', 'うさぎ', 'sora'])}{a}"), "nickname"),
    ("linkedin_url", column(lambda r, a: f"https://www.linkedin.com/in/user{a}"), "profile"),
    ("patientId", column(pattern("P999999")), "person number"),
    ("cust_no", column(pattern("99999999")), "person number"),
    ("社員コード", column(pattern("E99999")), "person number"),
    ("カルテ番号", column(pattern("9999999")), "person number"),
    ("home_latitude", column(lambda r, a: 51 + r.random()), "coordinates"),
    ("自宅の経度", column(lambda r, a: 139 + r.random()), "coordinates"),
    ("call_summary", column(lambda r, a: f"Spoke with {r.choice(FIRST)} {r.choice(LAST)} about the late bill and she will call again"), "free text"),
    ("相談内容", column(lambda r, a: f"{r.choice(SURNAMES)}様より請求書の件でお電話あり、折り返し希望とのこと"), "free text"),
    # ---- of things
    ("store_name", column(one_of("North Plaza", "Harbour Mall", "King Street Shop")), ""),
    ("sku", column(pattern("AAA-9999")), ""),
    ("order_ref", column(pattern("OR99999999")), ""),
    ("tracking_no", column(pattern("1Z9999999999999999")), ""),
    ("invoice_no", column(pattern("2024-99999")), ""),
    ("isbn", column(pattern("978-9-99-999999-9")), ""),
    ("app_version", column(lambda r, a: f"{r.randint(1, 9)}.{r.randint(0, 20)}.{r.randint(0, 9)}.{r.randint(0, 9)}"), ""),
    ("hostname", column(lambda r, a: f"web-{a:03}.example.net"), ""),
    ("landing_page", column(lambda r, a: f"https://shop.example.com/p/{a}"), ""),
    ("email_opened", column(one_of("yes", "no")), ""),
    ("phone_model", column(one_of("Pixel 9", "Galaxy S24", "iPhone 16")), ""),
    ("contact_type", column(one_of("cellular", "telephone", "unknown")), ""),
    ("address_verified", column(one_of("Y", "N")), ""),
    ("birth_weight", column(lambda r, a: r.randint(2000, 4500)), ""),
    ("birth_country", column(one_of("Japan", "France", "Kenya")), ""),
    ("name_length", column(lambda r, a: r.randint(3, 20)), ""),
    ("passenger_class", column(one_of("first", "second", "third")), ""),
    ("customer_segment", column(one_of("retail", "business", "public")), ""),
    ("customer_age", column(lambda r, a: r.randint(18, 90)), ""),
    ("num_patients", column(lambda r, a: r.randint(1, 200)), ""),
    ("hire_date", column(lambda r, a: day(r, a, 2005, 2024)), ""),
    ("signup_ts", column(lambda r, a: f"{day(r, a, 2019, 2024)}T08:{a % 60:02}:11Z"), ""),
    ("delivery_date", column(lambda r, a: day(r, a, 2019, 2024)), ""),
    ("total_cents", column(lambda r, a: r.randint(10**8, 10**10)), ""),
    ("barcode", column(pattern("4999999999999")), ""),
    ("warehouse_zone", column(pattern("A9-99")), ""),
    ("county", column(one_of("Kent", "Essex", "Norfolk")), ""),
    ("job_title", column(one_of("Sales Manager", "Nurse", "Civil Engineer")), ""),
    ("company", column(one_of("Baker & Sons", "Taylor Wimpey", "Morgan Stanley")), ""),
    ("album", column(one_of("Blue Train", "Kind of Blue", "Emma Rose")), ""),
    ("wine_name", column(one_of("Chateau Margaux", "Louis Roederer", "Dom Ruinart")), ""),
    ("race_horse", column(one_of("Red Rum", "Black Caviar", "Frankel")), ""),
    ("remarks", column(one_of("left at the front door as asked", "box was damaged on one side only", "paid in two parts this month")), ""),
    ("sensor_id", column(pattern("S-999999")), ""),
    ("store_lat", column(lambda r, a: 35 + r.random()), ""),
    ("price_usd", column(lambda r, a: round(r.random() * 500, 2)), ""),
    ("商品コード", column(pattern("4999999999999")), ""),
    ("店舗名", column(one_of("新宿店", "渋谷店", "梅田店")), ""),
    ("店舗電話番号", column(pattern("03-9999-9999")), ""),
    ("会社名", column(one_of("株式会社山田製作所", "田中工業株式会社", "鈴木商店")), ""),
    ("法人番号", column(checked("", 13, has_corporate_digit)), ""),
    ("伝票番号", column(pattern("999999999")), ""),
    ("都道府県", column(one_of(*PREFECTURES)), ""),
    ("市区町村", column(one_of("横浜市", "札幌市", "大阪市")), ""),
    ("登録日", column(lambda r, a: day(r, a, 2015, 2024)), ""),
    ("入会年月日", column(lambda r, a: day(r, a, 2015, 2024, "{0}/{1}/{2}")), ""),
    ("性別", column(one_of("男", "女")), ""),
    ("年齢", column(lambda r, a: r.randint(18, 90)), ""),
    ("年収", column(lambda r, a: r.randint(200, 1500)), ""),
    ("契約プラン", column(one_of("ライト", "標準", "プレミアム")), ""),
    ("電話有無", column(one_of("有", "無")), ""),
    ("駅名", column(one_of("高田馬場", "中野", "大久保", "田町")), ""),
    ("担当部署", column(one_of("営業一課", "総務部", "経理課")), ""),
    ("診断名", column(one_of("肺炎", "骨折", "胃炎")), ""),
    ("品番", column(pattern("AB-9999-99")), ""),
    ("備考", column(one_of("代引きで発送済み", "予備の箱に入れて納品しました", "次回入荷は来月の予定です")), ""),
    ("来店回数", column(lambda r, a: r.randint(1, 50)), ""),
    ("最終ログイン", column(lambda r, a: f"{day(r, a, 2023, 2024)} 10:{a % 60:02}"), ""),
    ("エラーコード", column(pattern("E9999")), ""),
    ("製造番号", column(pattern("AA99999999")), ""),
    ("曲名", column(one_of("さくら", "花", "涙そうそう")), ""),
    ("大学名", column(one_of("東京大学", "京都大学", "中央大学")), ""),
]  # fmt: skip


def judge(columns):
    "Columns that were missed, were found wrongly, or were given another kind."
    wrong = {"missed": [], "found": [], "kind": []}
    right = 0
    for name, cells, kind in columns:
        got = personal_columns(pd.DataFrame({name: cells}), doubtful=True).get(name, "")
        right += bool(kind and got)
        if bool(kind) != bool(got):
            wrong["missed" if kind else "found"].append((name, got))
        elif kind != got:
            wrong["kind"].append((name, kind, got))
    personal = sum(bool(kind) for *_, kind in columns)
    return right / personal, right / max(right + len(wrong["found"]), 1), wrong


@pytest.mark.parametrize("columns", [KNOWN, MORE, UNSEEN, FOURTH], ids=["known", "more", "unseen", "fourth"])
def test_nearly_all_personal_columns_are_found_and_hardly_any_other(columns):
    recall, precision, wrong = judge(columns)
    assert len(columns) >= 100 and 0.4 <= sum(not kind for *_, kind in columns) / len(columns) <= 0.6
    assert recall >= 0.95 and precision >= 0.95, wrong
    assert len(wrong["kind"]) <= 0.05 * len(columns), wrong


PERSONS = """customer client user member patient passenger employee person contact owner guest student teacher doctor
driver player staff worker applicant candidate subscriber policyholder insured tenant resident voter borrower cardholder
policy_holder account_holder card_holder beneficiary visitor donor cust emp usr subject participant respondent"""


@pytest.mark.parametrize("person", PERSONS.split())
def test_the_number_of_each_kind_of_person_is_known_by_its_name(person):
    cells = [f"S{at:05}" for at in range(50)]
    for name in (f"{person}_id", f"{person}_number"):
        assert personal_columns(pd.DataFrame({name: cells}), doubtful=True) == {name: "person number"}


@settings(max_examples=60)
@given(st.lists(st.from_regex(r"[-+]?[0-9]{1,8}(\.[0-9]{0,8})?", fullmatch=True), min_size=3, max_size=40))
def test_short_numbers_tell_nothing_of_a_person_whoever_is_among_them(numbers):
    for texts in (numbers, [*numbers * 20, "a"]):
        assert assess_personal("x", texts) is None
