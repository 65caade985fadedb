// The words of the page, in English and in Traditional Chinese. `{0}`, `{1}` are values.

export const TEXTS = {
  en: {
    skip: "Skip to the content", views: "Views", language: "Language", theme: "Theme",
    themeAuto: "System theme", themeLight: "Light", themeDark: "Dark",
    write: "Write", judge: "Judge", understand: "Understand", watch: "Watch", model: "Model", text: "Text",
    noModel: "No such model is served. Start the server with the folder of one.",
    token: "This server needs a token. Please enter it:", offline: "The server does not answer. Is it still running?",
    writeLead: "A character model continues your text. Colour each character by how surprised the model was, or by one of its hidden units.",
    prompt: "Prompt", seed: "Seed", seedNone: "random", generate: "Generate", stop: "Stop", continue: "Continue",
    temperature: "Temperature", top_k: "Top-k (0: all)", top_p: "Top-p", repetition_penalty: "Repetition penalty",
    length: "Length (tokens)", generatedText: "Generated text; arrow keys choose a character",
    colourBy: "Colour by", colourNone: "nothing", colourSurprise: "surprise (nats)", colourUnit: "one hidden unit",
    tracks: "Units that track", unit: "Unit (correlation)", value: "Value",
    mark: "Mark selection", unmark: "Clear marks",
    line: "place in the line", quotes: "inside quotes", brackets: "inside brackets", digits: "digits",
    capitals: "capitals", spaces: "spaces", punctuation: "punctuation", words: "place in the word", marked: "your marks",
    unitName: "layer {0}, unit {1} ({2})",
    writing: "Writing …", wrote: "{0} characters, seed {1}, ended by: {2}.", reasonlength: "length",
    reasonstop: "stop string", reasontime: "time limit", reasonshutdown: "the server stops", reasonyou: "you",
    unknownCharacters: "The model does not know: {0}",
    onlyEnd: "Only the last {0} characters are coloured.",
    legendSurprise: "Darker: more surprising. From 0 to 6 nats and more.",
    legendUnit: "Blue: above 0, orange: below 0. Darkest: {0}.",
    hover: "Point at a character, or use the arrow keys, to see what the model expects next.",
    expected: "After {0} the model expects:", came: "came next", surpriseOf: "Surprise of {0}: {1} nats.",
    valueOf: "Value of the unit: {0}.",
    judgeLead: "A classifier judges your text. Words are coloured by their contribution to the prediction.",
    judgeButton: "Judge", judgeNothing: "Enter a text to see what the model says of it.",
    threshold: "Threshold", thresholdLabel: "Predict this label …", thresholdP: "… if its probability is at least",
    thresholdNone: "(the most probable label)", prediction: "Prediction: {0}", probabilities: "Probabilities",
    contributions: "Words for and against {0}", forIt: "Blue: for it. Orange: against it.",
    weight: "Weight (nats)", word: "Word",
    unknownWords: "The model does not know {0} % of the words. Do not rely on what it says.",
    table: "Many texts", tableLead: "Drop a csv file here, choose one, or paste csv text or one text per line.",
    tableFile: "File (csv, tsv, or one text per line)", tablePaste: "Or paste", column: "Column of the texts",
    judgeTable: "Judge all", saveCsv: "Save as csv", rows: "{0} rows.", judged: "{0} of {1} judged.",
    label: "label", probability: "probability", firstRows: "The first {0} of {1} rows are shown; the file has all.",
    confidence: "Confidence of the predictions", confidenceBar: "{0} to {1} %: {2} texts", noTexts: "no text",
    tooLarge: "The file has more than {0} MB; use the command rnnnlp predict for it.",
    understandLead: "Three untrained cells read the same text and predict its last character. The error then comes back, step by step. All numbers come from the NumPy kernels of rnnnlp, in float64.",
    hiddenSize: "Hidden units", scale: "Scale of recurrent weights", bptt: "Truncation (0: none)",
    atLoss: "Start at the loss", stepBack: "One step back", allTheWay: "All the way back",
    stateOf: "h (rows: units, columns: steps)", gradientOf: "gradient of the loss by h",
    backAt: "The error has come back to step {0} of {1}.", cutAt: "Truncation cuts before step {0}: no error passes.",
    lossOf: "loss {0} nats", norms: "Gradient norm at each step",
    normsLead: "Logarithmic. Falling to the left: the gradient vanishes. Rising to the left: it explodes.",
    step: "step", norm: "norm", cutLine: "cut", cellTable: "Step {0}, “{1}”: gates and states", name: "Name", mean: "Mean",
    watchLead: "The runs of the folders, while they train and afterwards. The page looks every few seconds.",
    runs: "Runs", run: "Run", show: "Show", state: "State", training: "training", done: "done", progress: "Progress",
    time: "Time", loss: "Loss", validation: "Validation", accuracy: "Accuracy", axis: "Axis", axisSteps: "steps",
    axisSeconds: "seconds", losses: "Loss (thin: training, thick: validation)", samples: "Samples",
    noSamples: "No run that is shown has generated a sample.", settings: "Settings",
    differing: "only what differs", setting: "Setting", nothingToDraw: "There is nothing to draw yet.",
  },
  "zh-Hant": {
    skip: "跳到內容", views: "檢視", language: "語言", theme: "主題",
    themeAuto: "跟隨系統", themeLight: "淺色", themeDark: "深色",
    write: "寫作", judge: "判斷", understand: "理解", watch: "觀察", model: "模型", text: "文字",
    noModel: "沒有這種模型。請以模型的資料夾啟動伺服器。",
    token: "這個伺服器需要權杖，請輸入：", offline: "伺服器沒有回應。它還在執行嗎？",
    writeLead: "字元模型接續您的文字。每個字元可依模型的驚訝程度，或依一個隱藏單元上色。",
    prompt: "開頭文字", seed: "隨機種子", seedNone: "隨機", generate: "產生", stop: "停止", continue: "繼續",
    temperature: "溫度", top_k: "Top-k（0：全部）", top_p: "Top-p", repetition_penalty: "重複懲罰",
    length: "長度（詞元）", generatedText: "產生的文字；方向鍵選擇字元",
    colourBy: "上色依據", colourNone: "無", colourSurprise: "驚訝程度（nats）", colourUnit: "一個隱藏單元",
    tracks: "追蹤此特徵的單元", unit: "單元（相關係數）", value: "數值",
    mark: "標記選取範圍", unmark: "清除標記",
    line: "行內位置", quotes: "引號內", brackets: "括號內", digits: "數字",
    capitals: "大寫", spaces: "空白", punctuation: "標點", words: "字內位置", marked: "您的標記",
    unitName: "第 {0} 層，單元 {1}（{2}）",
    writing: "書寫中……", wrote: "{0} 個字元，種子 {1}，結束原因：{2}。", reasonlength: "長度",
    reasonstop: "停止字串", reasontime: "時間限制", reasonshutdown: "伺服器停止", reasonyou: "您",
    unknownCharacters: "模型不認識：{0}",
    onlyEnd: "只有最後 {0} 個字元上色。",
    legendSurprise: "越深越令人驚訝，從 0 到 6 nats 以上。",
    legendUnit: "藍色：大於 0；橘色：小於 0。最深：{0}。",
    hover: "指向一個字元，或用方向鍵，查看模型預期的下一個字元。",
    expected: "在 {0} 之後，模型預期：", came: "實際的下一個", surpriseOf: "{0} 的驚訝程度：{1} nats。",
    valueOf: "單元的數值：{0}。",
    judgeLead: "分類器判斷您的文字。詞語依其對預測的貢獻上色。",
    judgeButton: "判斷", judgeNothing: "輸入文字，查看模型的判斷。",
    threshold: "門檻", thresholdLabel: "預測此標籤……", thresholdP: "……若其機率至少為",
    thresholdNone: "（機率最高的標籤）", prediction: "預測：{0}", probabilities: "機率",
    contributions: "支持與反對「{0}」的詞語", forIt: "藍色：支持。橘色：反對。",
    weight: "權重（nats）", word: "詞語",
    unknownWords: "模型不認識 {0} % 的詞語，請勿依賴其判斷。",
    table: "多筆文字", tableLead: "將 csv 檔拖放到這裡、選擇檔案，或貼上 csv 或每行一筆文字。",
    tableFile: "檔案（csv、tsv，或每行一筆文字）", tablePaste: "或貼上", column: "文字欄位",
    judgeTable: "全部判斷", saveCsv: "存成 csv", rows: "{0} 列。", judged: "已判斷 {0} / {1}。",
    label: "標籤", probability: "機率", firstRows: "顯示 {1} 列中的前 {0} 列；檔案包含全部。",
    confidence: "預測的信心", confidenceBar: "{0} 到 {1} %：{2} 筆", noTexts: "沒有文字",
    tooLarge: "檔案超過 {0} MB；請改用指令 rnnnlp predict。",
    understandLead: "三種未訓練的循環單元讀同一段文字，預測最後一個字元，誤差再一步一步傳回。所有數字都來自 rnnnlp 的 NumPy 核心，以 float64 計算。",
    hiddenSize: "隱藏單元數", scale: "循環權重的尺度", bptt: "截斷（0：不截斷）",
    atLoss: "從損失開始", stepBack: "往回一步", allTheWay: "一路傳回",
    stateOf: "h（列：單元，欄：時間步）", gradientOf: "損失對 h 的梯度",
    backAt: "誤差已傳回到第 {0} 步，共 {1} 步。", cutAt: "在第 {0} 步之前截斷：誤差不再傳回。",
    lossOf: "損失 {0} nats", norms: "每一步的梯度範數",
    normsLead: "對數尺度。往左下降：梯度消失。往左上升：梯度爆炸。",
    step: "時間步", norm: "範數", cutLine: "截斷", cellTable: "第 {0} 步「{1}」：閘與狀態", name: "名稱", mean: "平均",
    watchLead: "資料夾中的訓練，進行中與結束後。頁面每隔幾秒更新。",
    runs: "訓練", run: "訓練", show: "顯示", state: "狀態", training: "訓練中", done: "完成", progress: "進度",
    time: "時間", loss: "損失", validation: "驗證", accuracy: "準確率", axis: "橫軸", axisSteps: "步數",
    axisSeconds: "秒", losses: "損失（細線：訓練，粗線：驗證）", samples: "樣本",
    noSamples: "顯示的訓練都沒有產生樣本。", settings: "設定",
    differing: "只顯示不同的設定", setting: "設定", nothingToDraw: "還沒有可以畫的資料。",
  },
};

let language = "en";

export function say(key, ...values) {
  return (TEXTS[language][key] ?? key).replace(/\{(\d)\}/g, (_, k) => String(values[k]));
}

export function useLanguage(chosen) {
  language = chosen in TEXTS ? chosen : "en";
  document.documentElement.lang = language;
  for (const node of document.querySelectorAll("[data-text]")) node.textContent = say(node.dataset.text);
  for (const node of document.querySelectorAll("[data-label]")) node.setAttribute("aria-label", say(node.dataset.label));
  for (const node of document.querySelectorAll("[data-placeholder]")) node.placeholder = say(node.dataset.placeholder);
  document.dispatchEvent(new Event("language"));
}

export function preferredLanguage() {
  return navigator.languages.some((name) => /^zh/i.test(name)) ? "zh-Hant" : "en";
}
