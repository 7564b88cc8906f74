// Is a thing called the same everywhere? Where the English text has one of these words, every other language has its own word for it.
// Beside that: marks that one language sets otherwise than English does.

/** English word → how the word begins in each language. */
const TERMS = {
  "keys?": { es: "clave", fr: "clé", de: "schlüssel", it: "chiav", ko: "키", ja: "キー", zh: "密钥", pt: "chave" },
  "teams?": { es: "equipo", fr: "équipe", de: "team", it: "team", ko: "팀", ja: "チーム", zh: "团队", pt: "equipa" },
  "budgets?": { es: "presupuesto", fr: "budget", de: "budget", it: "budget", ko: "예산", ja: "予算", zh: "预算", pt: "orçamento" },
  "models?": { es: "modelo", fr: "modèle", de: "modell", it: "modell", ko: "모델", ja: "モデル", zh: "模型", pt: "modelo" },
  "workshops?": { es: "taller", fr: "atelier", de: "workshop", it: "workshop", ko: "워크숍", ja: "ワークショップ", zh: "工作坊", pt: "workshop" },
  "quotas?": { es: "cuota", fr: "quota", de: "kontingent", it: "quot[ae]", ko: "할당량", ja: "クォータ", zh: "配额", pt: "quota" },
  "subscri\\w+": { es: "suscr[ií]", fr: "abonn", de: "abonn", it: "abbon", ko: "구독", ja: "サブスクリプション|登録", zh: "订阅", pt: "assin" },
  "tokens?": { es: "token", fr: "jeton", de: "token", it: "token", ko: "토큰", ja: "トークン", zh: "令牌", pt: "token" },
  "prompts?": { es: "indicaci|instrucci|entrada", fr: "prompt|entrée", de: "prompt|eingabe", it: "prompt|input", ko: "프롬프트|입력", ja: "プロンプト|入力", zh: "提示词|输入", pt: "prompt|entrada" },
  "requests?": { es: "solicit|pid|pedir", fr: "requête|demand", de: "anfrag|antr[aä]g", it: "richie|chied", ko: "요청", ja: "リクエスト|申請|依頼", zh: "请求|申请", pt: "pedi|ped[ei]" },
  usage: { es: "uso", fr: "utilis", de: "nutz", it: "utilizzo", ko: "사용", ja: "使用|利用", zh: "用量", pt: "utiliza" },
  "administrators?": { es: "administra", fr: "administra", de: "administrat", it: "amministrat", ko: "관리자", ja: "管理者", zh: "管理员", pt: "administra" },
  playground: { es: "área de pruebas", fr: "bac à sable", de: "playground", it: "playground", ko: "플레이그라운드", ja: "プレイグラウンド", zh: "试验场", pt: "área de testes" },
  "guardrails?": { es: "protecci", fr: "garde-fou", de: "schutzregel", it: "protezion", ko: "보호 규칙", ja: "ガードレール", zh: "防护规则", pt: "proteç" },
  "backups?": { es: "copia", fr: "sauvegarde", de: "sicherung", it: "backup", ko: "백업", ja: "バックアップ", zh: "备份", pt: "cópia" },
  "revoked?": { es: "revoc", fr: "révoqu", de: "widerruf", it: "revoc", ko: "폐기", ja: "取り消", zh: "吊销", pt: "revog" },
};

/** Texts that say it without the word: in Japanese what is plain from the page is left out. The French one lists marks. */
const WITHOUT = new Set(["fr:model_id_help", "ja:unreadable", "ja:claim_window_help", "ja:costs_at_most_all", "ja:key_is_yours", "ja:paused_now"]);

const KANA = "[\\u3040-\\u30ff\\u4e00-\\u9fff]";
const MARKS = [
  { language: "fr", wrong: /[^\s\u00a0\u202f][?!;](\s|$)| [?!;:](\s|$)/, says: "a mark stands behind a space that does not break" },
  { language: "ja", wrong: new RegExp(`${KANA}[?!()]|[()]${KANA}|(${KANA}|\\}): ?`), says: "a mark is narrow between wide signs" },
  { language: "zh", wrong: new RegExp(`${KANA}[?!():]|[()]${KANA}`), says: "a mark is narrow between wide signs" },
];

const plain = (text) => text.replaceAll(/\{\w+\}/g, "");

/** One line for each text that calls something otherwise. `namespaces`: of readTexts. */
export function oddTerms(namespaces) {
  const odd = [];
  for (const { en, ...others } of Object.values(namespaces))
    for (const [key, english] of Object.entries(en))
      for (const [language, texts] of Object.entries(others)) {
        const text = texts[key];
        if (WITHOUT.has(`${language}:${key}`)) continue;
        for (const [word, own] of Object.entries(TERMS))
          if (new RegExp(`\\b(${word})\\b`, "i").test(plain(english)) && !new RegExp(own[language], "i").test(text))
            odd.push(`${key} in ${language}: "${text}" has no word for ${word} (${own[language]})`);
        for (const mark of MARKS) if (mark.language === language && mark.wrong.test(text)) odd.push(`${key} in ${language}: ${mark.says}: "${text}"`);
      }
  return odd;
}
