// The whole of Hydrogen on one page, as its own index.html starts it. The homeserver stands in config.json.
import {
  FeatureSet,
  Platform,
  RootViewModel,
  createNavigation,
  createRouter,
} from "hydrogen-view-sdk";

const assetPaths = {
  downloadSandbox: "assets/download-sandbox.html",
  worker: "assets/main.js",
  olm: { wasm: "olm/olm.wasm", legacyBundle: "olm/olm_legacy.js", wasmBundle: "olm/olm.js" },
  // Hydrogen fails after the login without one.
  serviceWorker: "sw.js",
};

const platform = new Platform({ container: document.body, assetPaths, configURL: "config.json" });
await platform.init();
const navigation = createNavigation();
platform.setNavigation(navigation);
const urlRouter = createRouter({ navigation, history: platform.history });
urlRouter.attach();
const features = await FeatureSet.load(platform.settingsStorage);
const root = new RootViewModel({ platform, navigation, urlRouter, features });
platform.createAndMountRootView(root);
await root.load();
